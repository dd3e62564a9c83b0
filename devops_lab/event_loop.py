"""An asyncio loop in a thread of its own, for cells, which wait without knowing of any loop."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class EventLoop:
    """A loop that runs until it is closed; an interrupted caller leaves nothing running in it.

    >>> loop = EventLoop()
    >>> loop.call(asyncio.sleep(0, "slept"))
    'slept'
    >>> loop.close()
    """

    def __init__(self) -> None:
        # With a factory the loop is not made the current one of the caller's thread.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._run, name="event loop", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine returns, or raises what it raises."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop with all that still runs in it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_forever()
        self._runner.close()
