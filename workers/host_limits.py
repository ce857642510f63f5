"""Limits per callback host, so that an unresponsive backend does not delay others.

A host starts with one thread. If it was fast the last time, it may use all but one of the threads for callbacks; the
last one lets an unknown host be tried. All hosts that were slow the last time share a few threads of their own.

A callback that finds no thread free comes back later: the longer its host's queue, the later. So even many events for
an unresponsive backend wake the worker no more often than the backend can be called.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from tasks.queues import NOTIFY
from workers.bulkhead import Bulkhead, SlotSchedule, max_callbacks, max_slow_callbacks

#: A host whose call took this many seconds is slow.
SLOW_AFTER = 3.0
#: A callback without a thread comes back after this many seconds at most.
MAX_DELAY = 300.0
#: The queue that all slow hosts share; no host has this name.
_SLOW_HOSTS = "slow hosts"
#: Most hosts to remember. Beyond that the oldest one is forgotten and starts as unknown.
_MAX_HOSTS = 1_000


class HostLimits:
    """The hosts that this process calls right now, and how fast they were."""

    def __init__(self, bulkhead: Bulkhead, concurrency: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`concurrency` is that of the worker whose slots are in `bulkhead`; `clock` counts seconds."""
        self._bulkhead = bulkhead
        self._max_fast = max_callbacks(concurrency)
        self._limits = {None: 1, True: self._max_fast - 1, False: max_slow_callbacks(concurrency)}
        self._clock = clock
        self._lock = Lock()
        self._active: Counter[str] = Counter()
        self._fast: dict[str, bool] = {}
        self._schedules: dict[str, SlotSchedule] = {}

    @contextmanager
    def slot(self, host: str) -> Iterator[float]:
        """Occupy a slot for a call of `host` during the block and yield 0, or yield the seconds until the next try."""
        with self._lock:
            fast = self._fast.get(host)
            queue = _SLOW_HOSTS if fast is False else host
            free = self._active[queue] < self._limits[fast] and (fast is False or self._fast_calls() < self._max_fast)
            self._active[queue] += free
        if not free:
            yield self._reserve(queue, self._limits[fast])
            return
        try:
            with self._bulkhead.slot(NOTIFY) as no_slot:
                started = self._clock()
                yield self._reserve(queue, self._limits[fast]) if no_slot else 0.0
            if not no_slot:
                self._record(host, queue, self._clock() - started)
        finally:
            with self._lock:
                self._active[queue] -= 1
                if not self._active[queue]:
                    del self._active[queue]

    def _reserve(self, queue: str, slots: int) -> float:
        """Book the next of the `slots` of a host queue; return the seconds until then."""
        with self._lock:
            now = self._clock()
            return self._schedules.setdefault(queue, SlotSchedule(now)).reserve(now, slots, MAX_DELAY)

    def _fast_calls(self) -> int:
        """Return how many hosts are being called that are not known to be slow."""
        return self._active.total() - self._active[_SLOW_HOSTS]

    def _record(self, host: str, queue: str, duration: float) -> None:
        """Remember how fast the host was, and drop its schedule once nobody waits."""
        with self._lock:
            if host not in self._fast and len(self._fast) >= _MAX_HOSTS:
                del self._fast[next(iter(self._fast))]
            self._fast[host] = duration < SLOW_AFTER
            schedule = self._schedules.get(queue)
            if schedule and schedule.next_at < self._clock():
                del self._schedules[queue]
            elif schedule:
                schedule.duration = duration
