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
from threading import Lock

from tasks.queues import NOTIFY
from workers.bulkhead import Bulkhead, most_callbacks, most_slow_callbacks
from workers.host_lines import Line

#: A host that held a thread for this long (seconds) is slow.
SLOW = 3.0
#: Who finds no room comes back after this many seconds at most.
LATEST = 300.0
#: The line that all slow hosts share; no host has such a name.
_SLOW_LINE = "slow callbacks"
#: Hosts that are remembered; beyond, the one that has been known for longest begins anew.
_MOST = 1_000


class Hosts:
    """The hosts that this process is telling, and how quick they were."""

    def __init__(self, bulkhead: Bulkhead, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`concurrency` of the worker, in whose `bulkhead` callbacks have a part; `clock` in seconds."""
        self._bulkhead = bulkhead
        self._quick_most = most_callbacks(concurrency)
        self._most = {None: 1, True: self._quick_most - 1, False: most_slow_callbacks(concurrency)}
        self._clock = clock
        self._lock = Lock()
        self._told: Counter[str] = Counter()
        self._quick: dict[str, bool] = {}
        self._lines: dict[str, Line] = {}

    @contextmanager
    def place(self, host: str) -> Iterator[float]:
        """0 where `host` may be told now, else in how many seconds to come back; the place is held for the block."""
        with self._lock:
            quick = self._quick.get(host)
            line = _SLOW_LINE if quick is False else host
            room = self._told[line] < self._most[quick] and (quick is False or self._quick_told() < self._quick_most)
            self._told[line] += room
        if not room:
            yield self._wait(line, self._most[quick])
            return
        try:
            with self._bulkhead.enter(NOTIFY) as crowded:
                started = self._clock()
                yield self._wait(line, self._most[quick]) if crowded else 0.0
            if not crowded:
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
            return self._lines.setdefault(line, Line(now)).book(now, most, LATEST)

    def _quick_told(self) -> int:
        """How many hosts that are not known to be slow are being told."""
        return self._told.total() - self._told[_SLOW_LINE]

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
