import contextlib
import sys
import threading
import time

import pytest

from devops_lab.limits import call_with_limit


def threads_left():
    return [thread for thread in threading.enumerate() if thread.name == "call_with_limit"]


def wait_until(condition, within_s=10):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_result_and_the_error_are_the_functions_own():
    assert call_with_limit(lambda a, b: a + b, 2, 3) == 5
    with pytest.raises(ZeroDivisionError):
        call_with_limit(lambda: 1 / 0)


def test_an_endless_loop_is_stopped_and_leaves_no_thread():
    def endless():
        while True:
            pass

    with pytest.raises(TimeoutError, match="endless had not finished after 0.1 s"):
        call_with_limit(endless, seconds=0.1)
    assert threads_left() == []


def test_a_loop_that_catches_every_exception_is_stopped_too():
    rounds = []

    def stubborn():
        while len(rounds) < 3:
            try:
                while True:
                    pass
            except BaseException:
                rounds.append(1)

    with pytest.raises(TimeoutError):
        call_with_limit(stubborn, seconds=0.1)
    assert threads_left() == []


def test_an_endless_generator_is_stopped():
    def ones():
        while True:
            yield 1

    with pytest.raises(TimeoutError, match="had not finished"):
        call_with_limit(lambda: sum(ones()), seconds=0.1)
    assert threads_left() == []


def test_a_long_sleep_keeps_nobody_waiting():
    done = threading.Event()

    def sleepy():
        done.wait(30)

    before = time.monotonic()
    with pytest.raises(TimeoutError):
        call_with_limit(sleepy, seconds=0.1)
    assert time.monotonic() - before < 20
    done.set()
    wait_until(lambda: not threads_left())


@pytest.mark.parametrize("ending", [sys.exit, lambda: exec("raise KeyboardInterrupt")])
def test_a_function_cannot_end_the_caller(ending):
    with pytest.raises(RuntimeError, match="end the whole program"):
        call_with_limit(ending)


def test_calls_that_end_at_the_very_moment_of_the_limit_disturb_nothing():
    def about_as_long_as_the_limit():
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        return "done"

    for _ in range(200):
        with contextlib.suppress(TimeoutError):
            assert call_with_limit(about_as_long_as_the_limit, seconds=0.002) == "done"
    wait_until(lambda: not threads_left())


def test_the_limit_itself_is_checked():
    with pytest.raises(ValueError, match="seconds must be above 0"):
        call_with_limit(len, "", seconds=0)
