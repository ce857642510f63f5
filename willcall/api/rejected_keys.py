"""Wrong keys: counted, partly logged, and answered more slowly the more of them come from one address."""

from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from time import monotonic

from anyio import sleep
from prometheus_client import Counter

#: Wrong keys of a kind per address and minute that are logged, and answered without delay.
FREE = 10
#: Seconds by which each further one is answered later than the one before, and the longest delay.
_STEP, LONGEST_DELAY = 0.1, 2.0
#: Most answers that are delayed at the same time. Further ones are not delayed, because connections are limited.
MOST_DELAYED = 100
_MINUTE = 60.0
#: Addresses that are remembered; the earliest are dropped first.
_ADDRESSES = 1_000
_REMEMBERED = FREE + round(LONGEST_DELAY / _STEP)


class KeyKind(StrEnum):
    """What a key is for: the label of the metric."""

    LOGIN = "login"
    API = "api"


class RejectedKeys:
    """Counts wrong keys per kind and address, to limit what is logged and to slow guessing down.

    A correct key is never refused or delayed: behind a proxy all callers share an address, so a guesser could lock
    everyone out. The length of the keys makes guessing hopeless (`config.settings.SHORTEST_OPERATOR_KEY`), not a limit
    on attempts.
    """

    def __init__(
        self, now: Callable[[], float] = monotonic, sleep: Callable[[float], Awaitable[object]] = sleep
    ) -> None:
        self.counter = Counter("willcall_rejected_keys", "Keys that were not valid.", ("where",), registry=None)
        for kind in KeyKind:
            self.counter.labels(kind.value)
        self._now = now
        self._sleep = sleep
        self._rejected: dict[tuple[KeyKind, str], deque[float]] = {}
        self._delayed = 0

    def record(self, kind: KeyKind, address: str) -> bool:
        """Count a wrong key. Returns whether to log it: only `FREE` of a kind per address and minute are."""
        self.counter.labels(kind.value).inc()
        if (kind, address) not in self._rejected and len(self._rejected) >= _ADDRESSES:
            del self._rejected[next(iter(self._rejected))]
        self._rejected.setdefault((kind, address), deque(maxlen=_REMEMBERED)).append(self._now())
        return self._recent(kind, address) <= FREE

    async def delay(self, kind: KeyKind, address: str) -> None:
        """Wait before a wrong key is answered: 0.1 s after the eleventh of a minute, 0.2 s after the next, up to 2 s.

        It holds no thread, and the caller must hold no slot of `api.middleware`.
        """
        seconds = min(max(0, self._recent(kind, address) - FREE) * _STEP, LONGEST_DELAY)
        if not seconds or self._delayed >= MOST_DELAYED:
            return
        self._delayed += 1
        try:
            await self._sleep(seconds)
        finally:
            self._delayed -= 1

    def _recent(self, kind: KeyKind, address: str) -> int:
        now = self._now()
        return sum(now - at < _MINUTE for at in self._rejected.get((kind, address), ()))
