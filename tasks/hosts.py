"""Which backends may be told right now, so that a dead one delays nobody else.

A host begins with one thread. One that was quick the last time may hold all but one of those that callbacks may, so
that another one finds that. All that were slow the last time share a few of their own.

Who finds no room comes back at a place in the host's line: the longer the line, the later. So however many events wait
for a dead backend, they do not wake the worker more often than it can serve them.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import uniform
from threading import Lock

from tasks.bulkhead import CALLBACKS, SLOW_CALLBACKS, Bulkhead, most_callbacks, most_slow_callbacks

#: A host that held a thread for this long (seconds) is slow.
SLOW = 3.0
#: Who finds no room comes back after this many seconds: at least, at most.
SOONEST, LATEST = 0.05, 300.0
#: Hosts that are remembered; beyond, the one that has been known for longest begins anew.
_MOST = 1_000


@dataclass(slots=True)
class _Line:
    """Those who wait for one host, or for the slow ones: when the next place is free, and how long one is held."""

    free_at: float
    held_for: float = 0.1


class Hosts:
    """The hosts that this process is telling, and how quick they were."""

    def __init__(self, bulkhead: Bulkhead, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`threads` of the worker, of which the `bulkhead` gives callbacks their part; `clock` in seconds."""
        self._bulkhead = bulkhead
        self._most = {None: 1, True: most_callbacks(threads) - 1, False: most_slow_callbacks(threads)}
        self._clock = clock
        self._lock = Lock()
        self._told: Counter[str] = Counter()
        self._quick: dict[str, bool] = {}
        self._lines: dict[str, _Line] = {}

    @contextmanager
    def place(self, host: str) -> Iterator[float]:
        """0 where `host` may be told now, else in how many seconds to come back; the place is held for the block."""
        with self._lock:
            quick = self._quick.get(host)
            line = SLOW_CALLBACKS if quick is False else host
            room = self._told[line] < self._most[quick]
            self._told[line] += room
        if not room:
            yield self._wait(line, self._most[quick])
            return
        try:
            with self._bulkhead.place(SLOW_CALLBACKS if line == SLOW_CALLBACKS else CALLBACKS) as free:
                started = self._clock()
                yield 0.0 if free else self._wait(line, self._most[quick])
            if free:
                self._judge(host, line, self._clock() - started)
        finally:
            with self._lock:
                self._told[line] -= 1
                if not self._told[line]:
                    del self._told[line]

    def _wait(self, line: str, most: int) -> float:
        """Book the next place of a line, of which `most` are served at once: seconds until then."""
        with self._lock:
            now = self._clock()
            booked = self._lines.setdefault(line, _Line(now))
            wait = max(SOONEST, booked.free_at - now)
            if wait > LATEST:
                return uniform(LATEST / 2, LATEST)  # noqa: S311 - spreads load
            booked.free_at = now + wait + booked.held_for / most
            return wait

    def _judge(self, host: str, line: str, took: float) -> None:
        """Remember whether the host is slow, and forget a line that nobody waits in any more."""
        with self._lock:
            if host not in self._quick and len(self._quick) >= _MOST:
                del self._quick[next(iter(self._quick))]
            self._quick[host] = took < SLOW
            booked = self._lines.get(line)
            if booked and booked.free_at < self._clock():
                del self._lines[line]
            elif booked:
                booked.held_for = took
