"""Slots: how many messages of each queue a worker processes at once, so that a slow provider cannot take every thread.

Some slots are reserved for one queue, the rest are shared. A message occupies a slot from the moment it is claimed
until it is acknowledged. A worker claims no message that has no free slot: it stays in the broker, in order, at no
cost.

Example: `--concurrency 16` and four providers. Two slots are reserved for each provider and eight are shared. If one
provider stops answering, its polls fill at most 2 + 8 = 10 slots, and the others still have two each.

Over Redis the transport asks for the free `capacity` before it claims. RabbitMQ delivers without asking; there each
task asks for a `slot` and, if none is free, runs again later.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import SystemRandom
from threading import Lock
from typing import NamedTuple

from tasks.queues import DOCUMENTS, NOTIFY, SUBMIT, SWEEPS

#: Seconds after which a slot is freed whatever happened to its message. It is longer than any task takes, so the
#: message was dropped without an acknowledgement, and the broker has given it to another worker.
SLOT_TIMEOUT = 600.0
#: A message without a slot comes back after this many seconds at least, and at most.
MIN_DELAY, MAX_DELAY = 0.05, 60.0


@dataclass(frozen=True, slots=True)
class SlotQuota:
    """The slots reserved for a queue, and how many it may occupy in all (None: every free one)."""

    reserved: int
    limit: int | None = None


class FreeSlots(NamedTuple):
    """How many more messages of a queue may be claimed: into its reserved slots, and in total."""

    reserved: int
    total: int


class Capacity(NamedTuple):
    """The free slots of a worker: the shared ones, and those of each queue."""

    shared: int
    queues: Mapping[str, FreeSlots]


@dataclass(slots=True)
class SlotSchedule:
    """Return times for messages that found no free slot, spaced so that they come back one by one.

    Example: two slots that are occupied for 10 s each. The messages that find none come back 5 s apart.
    """

    next_at: float
    #: Seconds for which a message occupied a slot the last time.
    duration: float = 0.1

    def reserve(self, now: float, slots: int, max_delay: float) -> float:
        """Return the seconds until the next of `slots` is free, and book it.

        A message that would wait for longer than `max_delay` books nothing and asks again before that.
        """
        delay = max(MIN_DELAY, self.next_at - now)
        if delay > max_delay:
            return SystemRandom().uniform(max_delay / 2, max_delay)
        self.next_at = now + delay + self.duration / slots
        return delay


@dataclass(slots=True)
class Bulkhead:
    """The slots of one worker process. Threads may share it."""

    quotas: Mapping[str, SlotQuota]
    shared: int
    clock: Callable[[], float] = time.monotonic
    #: Whether claiming a message occupies a slot, so that each task that runs has one.
    assigned_on_claim: bool = False
    #: Called from any thread once a slot becomes free that a queue waits for.
    on_release: Callable[[], None] = lambda: None
    _exhausted: bool = False
    _lock: Lock = field(default_factory=Lock)
    _occupied: Counter[str] = field(default_factory=Counter)
    #: By message, oldest first: its queue, and when it got its slot.
    _messages: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)
    _schedules: dict[str, SlotSchedule] = field(default_factory=dict)

    def divide(self, other: "Bulkhead") -> None:
        """Divide the slots as another one does. Messages keep the slots that they occupy."""
        with self._lock:
            self.quotas, self.shared = other.quotas, other.shared

    @property
    def threads(self) -> int:
        """The number of threads that all slots need."""
        return self.shared + sum(quota.reserved for quota in self.quotas.values())

    def capacity(self) -> Capacity:
        """Return how many more messages of each queue may be claimed."""
        with self._lock:
            self._release_expired()
            shared = self._free_shared()
            queues = {queue: self._free_slots(queue, shared) for queue in self.quotas}
            self._exhausted = not all(free.total for free in queues.values())
            return Capacity(shared, queues)

    def occupy(self, queue: str, message: str) -> None:
        """Give a slot to a message that was claimed; `message` is a unique name."""
        with self._lock:
            self._messages[message] = (queue, self.clock())
            self._occupied[queue] += 1
            if queue in self.quotas and not self._free_slots(queue, self._free_shared()).total:
                self._exhausted = True

    def release(self, message: str) -> None:
        """Free the slot of a message, if it has one."""
        with self._lock:
            self._release(message)
            exhausted, self._exhausted = self._exhausted, False
        if exhausted:
            self.on_release()

    @contextmanager
    def slot(self, queue: str) -> Iterator[float]:
        """Occupy a slot for the block and yield 0, or yield the seconds after which to try again.

        A message that got its slot when it was claimed needs no other one.
        """
        if self.assigned_on_claim or queue not in self.quotas:
            yield 0.0
            return
        with self._lock:
            free = self._free_slots(queue, self._free_shared()).total > 0
            self._occupied[queue] += free
            delay = 0.0 if free else self._reserve(queue)
        started = self.clock()
        try:
            yield delay
        finally:
            if free:
                with self._lock:
                    self._occupied[queue] -= 1
                    self._schedule(queue).duration = self.clock() - started

    def _free_shared(self) -> int:
        borrowed = sum(max(0, self._occupied[queue] - quota.reserved) for queue, quota in self.quotas.items())
        return max(0, self.shared - borrowed)

    def _free_slots(self, queue: str, shared: int) -> FreeSlots:
        quota, occupied = self.quotas[queue], self._occupied[queue]
        reserved = max(0, quota.reserved - occupied)
        total = reserved + shared if quota.limit is None else min(reserved + shared, max(0, quota.limit - occupied))
        return FreeSlots(reserved, total)

    def _reserve(self, queue: str) -> float:
        return self._schedule(queue).reserve(self.clock(), max(1, self._occupied[queue]), MAX_DELAY)

    def _schedule(self, queue: str) -> SlotSchedule:
        return self._schedules.setdefault(queue, SlotSchedule(self.clock()))

    def _release(self, message: str) -> None:
        queue, _ = self._messages.pop(message, ("", 0.0))
        if queue:
            self._occupied[queue] -= 1

    def _release_expired(self) -> None:
        """Free the slots of messages that are never acknowledged: Celery drops some when its connection is lost."""
        expired = self.clock() - SLOT_TIMEOUT
        while self._messages:
            message, (_, since) = next(iter(self._messages.items()))
            if since > expired:
                break
            self._release(message)


def create_bulkhead(concurrency: int, queues: Collection[str], poll_queues: Collection[str]) -> Bulkhead:
    """Divide a worker's slots among the `queues` it serves; `concurrency` counts those for polls.

    Half of these are reserved for the providers in equal parts, at least one each; the rest are shared. The other
    queues have slots of their own in addition, so polls never stop them, and may use part of the shared ones. Callbacks
    have one slot more than slow backends may occupy.
    """
    served = [queue for queue in poll_queues if queue in queues]
    each = max(1, concurrency // len(served) // 2) if served else 0
    half, quarter, slow = max(1, concurrency // 2), max(1, concurrency // 4), max_slow_callbacks(concurrency)
    others = {
        SUBMIT: SlotQuota(1, half),
        NOTIFY: SlotQuota(slow + 1, max_callbacks(concurrency) + slow),
        DOCUMENTS: SlotQuota(1, quarter),
        SWEEPS: SlotQuota(2, max(2, quarter)),  # a slow sweep leaves one slot to the others
    }
    quotas = dict.fromkeys(served, SlotQuota(each)) | {
        queue: quota for queue, quota in others.items() if queue in queues
    }
    return Bulkhead(quotas, shared=max(0, concurrency - each * len(served)))


def max_callbacks(concurrency: int) -> int:
    """Return how many backends a worker notifies at once."""
    return max(2, concurrency // 2)


def max_slow_callbacks(concurrency: int) -> int:
    """Return how many slow backends it notifies in addition."""
    return max(1, concurrency // 4)
