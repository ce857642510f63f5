"""The 429s that came to this process: it keeps to them at once, before Redis and thereby the others know.

An attempt whose token was taken before Redis was told must look here right before its request leaves. One that
claims later is bound by Redis alone, so that a throttle which a person ends (`willcall resume`) is over everywhere.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from willcall.stores.accounts import AccountReport


@dataclass(slots=True)
class LocalThrottle:
    """A 429 and what is to be told of it. `until`, and `told`, when Redis knew of it: monotonic seconds."""

    report: AccountReport
    until: float
    reported_at: float = math.inf
    failed: bool = False

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Redis is told in the block; where that fails, this process still knows."""
        self.failed = False
        try:
            yield
        except BaseException:
            self.failed = True
            raise
        self.reported_at = time.monotonic()


class LocalThrottles:
    """By account; for any number of threads."""

    def __init__(self) -> None:
        """There is none yet."""
        self._lock = Lock()
        self._throttles: dict[str, tuple[LocalThrottle, ...]] = {}

    def record(self, account: str, report: AccountReport, seconds: float) -> LocalThrottle:
        """The account was answered 429, and is to be left alone for so many seconds."""
        throttle = LocalThrottle(report, time.monotonic() + seconds)
        with self._lock:
            self._throttles[account] = (*self._lasting(account), throttle)
        return throttle

    def blocks(self, account: str, claimed: float) -> bool:
        """Whether a request must not leave whose token was asked for at `claimed` (monotonic seconds)."""
        return any(claimed <= throttle.reported_at for throttle in self._lasting(account))

    def unreported(self, account: str) -> list[LocalThrottle]:
        """Those that Redis could not be told of."""
        return [throttle for throttle in self._lasting(account) if throttle.failed]

    def _lasting(self, account: str) -> list[LocalThrottle]:
        now = time.monotonic()
        return [throttle for throttle in self._throttles.get(account, ()) if now < throttle.until]
