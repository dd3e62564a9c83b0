"""What all tests share: the browser, and `require` for what a machine may lack."""

import signal
import sys
from pathlib import Path

import hypothesis

# Tests are imported one by one (importmode=importlib); what they share is imported by its name.
sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium, jupyterlab, notebook_page  # noqa: E402
from memory_table import pytest_terminal_summary  # noqa: E402
from required import require  # noqa: E402

# A shell makes what it starts in its background deaf to interrupts, and so are the children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, not wrong.
hypothesis.settings.register_profile(
    "course", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("course")

__all__ = ["chromium", "jupyterlab", "notebook_page", "pytest_terminal_summary", "require"]
