"""Waiting for state, the only way that a test may wait."""

import time

from .engine import CommandFailed

PERIOD_S = 0.05


class TimedOut(AssertionError):
    pass


def wait_for(condition, timeout, what, describe=None):
    """Polls until `condition()` is true and returns its value. A command that fails is a condition
    that isn't met yet (what is asked may be restarting). `describe()` adds to the failure's message."""
    deadline = time.monotonic() + timeout
    while True:
        failure = value = None
        try:
            value = condition()
        except CommandFailed as error:
            failure = error
        if value:
            return value
        if time.monotonic() > deadline:
            break
        time.sleep(PERIOD_S)
    last = f"last failure: {failure}" if failure else f"last value: {value!r}"
    more = "\n" + describe() if describe else ""
    raise TimedOut(f"after {timeout} s still not: {what}\n{last}{more}")
