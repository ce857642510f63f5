"""Places: how many messages of each queue a worker may have in hand at once.

A provider that takes ten seconds an answer would soon hold every thread of a worker that serves all queues. So a worker
takes no more messages of a queue than the queue has places: some that are kept for it, and its part of those that are
kept for nobody. A place is taken when a message is claimed and free again when the message is acknowledged, so what
cannot be worked on stays in the broker, in its order, and costs nothing.

Over Redis the transport asks for `rooms` before it claims (`workers/transport.py`). Another broker delivers what it
likes; there each task asks by itself (`enter`), and comes back later where there is no place.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from tasks.queues import DOCUMENTS, NOTIFY, SUBMIT, SWEEPS
from workers.host_lines import Line

#: Seconds after which a place is given to another message, whatever became of the one that took it: longer than any
#: task takes, so that message was dropped unacknowledged, and the broker has given it to another worker.
LONGEST_HELD = 600.0
#: Seconds that a message without a place stays away at most: it has to find out how its line goes on.
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Share:
    """How many places are kept for a queue, and how many it may have at most (None: all that are free)."""

    kept: int
    most: int | None = None


class Room(NamedTuple):
    """How many more messages of a queue may be claimed: `own` into places kept for it, `most` in all."""

    own: int
    most: int


class Rooms(NamedTuple):
    """What may be claimed now. `spare` places are kept for nobody: the queues share them."""

    spare: int
    queues: Mapping[str, Room]


@dataclass(slots=True)
class Bulkhead:
    """The places of one process; safe to share between threads."""

    shares: Mapping[str, Share]
    spare: int
    clock: Callable[[], float] = time.monotonic
    #: Whether places are taken by claiming, so that each message that is worked on has one.
    claiming: bool = False
    #: Called, by any thread, once a place has become free while a queue has none.
    on_free: Callable[[], None] = lambda: None
    _wanted: bool = False
    _lock: Lock = field(default_factory=Lock)
    _taken: Counter[str] = field(default_factory=Counter)
    #: By message, oldest first: its queue, and since when it has a place.
    _holders: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)
    _lines: dict[str, Line] = field(default_factory=dict)

    @property
    def threads(self) -> int:
        """How many threads it takes to work on whatever has a place."""
        return self.spare + sum(share.kept for share in self.shares.values())

    def rooms(self) -> Rooms:
        """How many more messages of each queue may be claimed."""
        with self._lock:
            self._forget_the_lost()
            spare = self._spare()
            rooms = {queue: self._room(queue, spare) for queue in self.shares}
            self._wanted = not all(room.most for room in rooms.values())
            return Rooms(spare, rooms)

    def take(self, queue: str, message: str) -> None:
        """Give a message of `queue`, named uniquely, a place: it was claimed."""
        with self._lock:
            self._holders[message] = (queue, self.clock())
            self._taken[queue] += 1
            if queue in self.shares and not self._room(queue, self._spare()).most:
                self._wanted = True

    def free(self, message: str) -> None:
        """A message is done with, or was given back; again does nothing."""
        with self._lock:
            self._free(message)
            wanted, self._wanted = self._wanted, False
        if wanted:
            self.on_free()

    @contextmanager
    def enter(self, queue: str) -> Iterator[float]:
        """0 where a message of `queue` may be worked on, else in how many seconds to try again.

        Its place is held for the block, unless it got one when it was claimed.
        """
        if self.claiming or queue not in self.shares:
            yield 0.0
            return
        with self._lock:
            room = self._room(queue, self._spare())
            free = room.most > 0
            self._taken[queue] += free
            wait = 0.0 if free else self._book(queue)
        started = self.clock()
        try:
            yield wait
        finally:
            if free:
                with self._lock:
                    self._taken[queue] -= 1
                    self._line(queue).held_for = self.clock() - started

    def _spare(self) -> int:
        """How many of the places that are kept for nobody are free."""
        borrowed = sum(max(0, self._taken[queue] - share.kept) for queue, share in self.shares.items())
        return max(0, self.spare - borrowed)

    def _room(self, queue: str, spare: int) -> Room:
        share, taken = self.shares[queue], self._taken[queue]
        own = max(0, share.kept - taken)
        most = own + spare if share.most is None else min(own + spare, max(0, share.most - taken))
        return Room(own, most)

    def _book(self, queue: str) -> float:
        """Seconds until the next place in the queue's line."""
        return self._line(queue).book(self.clock(), max(1, self._taken[queue]), LONGEST_WAIT)

    def _line(self, queue: str) -> Line:
        return self._lines.setdefault(queue, Line(self.clock()))

    def _free(self, message: str) -> None:
        queue, _ = self._holders.pop(message, ("", 0.0))
        if queue:
            self._taken[queue] -= 1

    def _forget_the_lost(self) -> None:
        """Free the places of messages that nobody will acknowledge, as Celery drops some when it loses its broker."""
        lost = self.clock() - LONGEST_HELD
        while self._holders:
            message, (_, since) = next(iter(self._holders.items()))
            if since > lost:
                break
            self._free(message)


def bulkhead(concurrency: int, queues: Collection[str], poll_queues: Collection[str]) -> Bulkhead:
    """The places of a worker with `concurrency` threads for polls, which serves `queues`.

    Half of the threads are kept for the providers in equal parts, at least one each; the rest are for any queue. The
    other queues have threads of their own beside them, so that polls never keep them from going on, and may have a part
    of what is kept for nobody. Callbacks have one more than slow backends may hold.
    """
    served = [queue for queue in poll_queues if queue in queues]
    each = max(1, concurrency // len(served) // 2) if served else 0
    half, quarter, slow = max(1, concurrency // 2), max(1, concurrency // 4), most_slow_callbacks(concurrency)
    others = {
        SUBMIT: Share(1, half),
        NOTIFY: Share(slow + 1, most_callbacks(concurrency) + slow),
        DOCUMENTS: Share(1, quarter),
        SWEEPS: Share(2, max(2, quarter)),  # a list that takes its time leaves one to the others
    }
    shares = dict.fromkeys(served, Share(each)) | {queue: share for queue, share in others.items() if queue in queues}
    return Bulkhead(shares, spare=max(0, concurrency - each * len(served)))


def most_callbacks(concurrency: int) -> int:
    """How many backends a worker tells at once."""
    return max(2, concurrency // 2)


def most_slow_callbacks(concurrency: int) -> int:
    """How many slow backends it tells beside them."""
    return max(1, concurrency // 4)
