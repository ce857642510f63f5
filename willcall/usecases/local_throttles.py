"""The 429s that this process has received, which it obeys before they are written to Redis.

An attempt that took its token before the 429 was written to Redis checks here right before it sends its request. For a
later attempt only Redis counts, so that a throttle that an operator ends (`willcall resume`) ends everywhere.

For example, attempts A and B of one account claim tokens at 10.0 s and 10.1 s. At 10.3 s A receives a 429 and records
it here; at 10.4 s Redis knows. B would send at 10.35 s: it claimed before 10.4 s, so it is blocked. C, which claims at
10.5 s, asks Redis only.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from willcall.providers.base import Account
from willcall.stores.accounts import AccountReport


@dataclass(slots=True)
class LocalThrottle:
    """An account's 429 and its report.

    `until` and `reported_at`, when it was written to Redis, are monotonic seconds.
    """

    account: Account
    report: AccountReport
    until: float
    reported_at: float = math.inf
    failed: bool = False

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report to Redis within the block. If that fails, this process still knows."""
        self.failed = False
        try:
            yield
        except BaseException:
            self.failed = True
            raise
        self.reported_at = time.monotonic()


class LocalThrottles:
    """All 429s by token bucket: accounts that share one obey each other's. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._throttles: dict[str, tuple[LocalThrottle, ...]] = {}

    def record(self, account: Account, report: AccountReport, seconds: float) -> LocalThrottle:
        """Record a 429: nothing that takes tokens from the account's bucket is sent for `seconds`."""
        throttle = LocalThrottle(account, report, time.monotonic() + seconds)
        with self._lock:
            self._throttles[account.bucket] = (*self._active(account.bucket), throttle)
        return throttle

    def blocks(self, bucket: str, claimed: float) -> bool:
        """Return whether a request may not be sent whose token was claimed at `claimed` (monotonic seconds)."""
        return any(claimed <= throttle.reported_at for throttle in self._active(bucket))

    def unreported(self, bucket: str) -> list[LocalThrottle]:
        """Return the 429s that could not be reported to Redis."""
        return [throttle for throttle in self._active(bucket) if throttle.failed]

    def _active(self, bucket: str) -> list[LocalThrottle]:
        now = time.monotonic()
        return [throttle for throttle in self._throttles.get(bucket, ()) if now < throttle.until]
