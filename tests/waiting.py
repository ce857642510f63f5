"""How tests wait and look at clocks, on a machine of any speed: for what is to come true, not for time to pass."""

import time
from collections.abc import Callable

import requests

#: Seconds that may pass between two steps of a test, as a busy machine stands still now and then. By so much may a
#: moment differ from "now", where what it must not be is much farther away.
STALL = 60.0


def is_ready(url: str, session: requests.Session | None = None) -> bool:
    """Return whether a server that is starting answers with success."""
    try:
        return (session or requests).get(url, timeout=5).ok
    except requests.exceptions.SSLError:
        raise  # is no matter of time
    except requests.ConnectionError:
        return False


def wait_until(true: Callable[[], object], seconds: float = 2 * STALL) -> None:
    """Return as soon as it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


class Clock:
    """Monotonic seconds that go by only when a test says so, however long it takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now
