"""Threads kept free for each provider, and a bound on those that telling backends may hold.

Queues alone do not keep a slow provider from taking every thread of a worker that serves all queues: with ten
seconds an answer, its messages would soon hold them all. So some threads are kept for each provider; the rest are for
whoever comes. For callbacks none is kept: a thread that waited for them would turn away polls meanwhile. They get what
is left, though always one.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from tasks.queues import DOCUMENTS

#: Who has threads beside the providers: the telling of backends, and of those that were slow lately.
CALLBACKS, SLOW_CALLBACKS = "callbacks", "slow callbacks"


@dataclass(frozen=True, slots=True)
class Share:
    """How many threads are kept for somebody, and how many it may hold at most (None: all)."""

    kept: int
    most: int | None = None


class Bulkhead:
    """Counts the threads at work for each in this process."""

    def __init__(self, threads: int, shares: Mapping[str, Share]) -> None:
        """`threads` of the worker, and who has a share of them."""
        self._threads = threads
        self._shares = shares
        self._lock = Lock()
        self._at_work: Counter[str] = Counter()

    @contextmanager
    def place(self, name: str) -> Iterator[bool]:
        """Whether there is room for one more of `name`; the place is held for the block."""
        with self._lock:
            room = self._room(name)
            self._at_work[name] += room
        try:
            yield room
        finally:
            with self._lock:
                self._at_work[name] -= room

    def _room(self, name: str) -> bool:
        """A place of one's own is free, or one that is kept for nobody; the first place is always granted."""
        share, held = self._shares.get(name, Share(0)), self._at_work[name]
        if share.most is not None and held >= share.most:
            return False
        if held < max(1, share.kept):
            return True
        others = sum(max(other.kept, self._at_work[each]) for each, other in self._shares.items() if each != name)
        return held + others < self._threads


def shares(threads: int, providers: Collection[str]) -> dict[str, Share]:
    """Who has which share of a worker's threads.

    Half are kept for its providers, in equal parts, at least one each. Callbacks may hold up to half, and beside them
    those to slow backends up to a quarter, as may documents that did not come at once.
    """
    provider = Share(max(1, threads // max(1, len(providers)) // 2))
    return dict.fromkeys(providers, provider) | {
        CALLBACKS: Share(0, most_callbacks(threads)),
        SLOW_CALLBACKS: Share(0, most_slow_callbacks(threads)),
        DOCUMENTS: Share(0, most_slow_callbacks(threads)),
    }


def most_callbacks(threads: int) -> int:
    """How many backends a worker tells at once."""
    return max(2, threads // 2)


def most_slow_callbacks(threads: int) -> int:
    """How many slow backends it tells beside them."""
    return max(1, threads // 4)
