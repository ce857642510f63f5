"""Threads kept free for each provider.

Queues alone do not keep a slow provider from taking every thread of a worker that serves all queues: with ten
seconds an answer, its messages would soon hold them all. So some threads are kept for each provider; the rest are
for whoever comes: the rounds that fetch documents have none of their own.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock


class Bulkhead:
    """Counts the attempts under way per provider in this process."""

    def __init__(self, threads: int, providers: Collection[str]) -> None:
        """Half of the `threads` of the worker are kept for its `providers`, in equal parts, at least one each."""
        self._threads = threads
        self._kept = dict.fromkeys(providers, max(1, threads // max(1, len(providers)) // 2))
        self._lock = Lock()
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def place(self, provider: str) -> Iterator[bool]:
        """Whether there is room for one more attempt at the provider; the place is held for the block."""
        with self._lock:
            room = self._room(provider)
            self._under_way[provider] += room
        try:
            yield room
        finally:
            with self._lock:
                self._under_way[provider] -= room

    def _room(self, provider: str) -> bool:
        """A place of one's own is free, or one that is kept for nobody; the first one is always granted."""
        if self._under_way[provider] < max(1, self._kept.get(provider, 0)):
            return True
        names = {*self._kept, *self._under_way} - {provider}
        others = sum(max(self._kept.get(name, 0), self._under_way[name]) for name in names)
        return self._under_way[provider] + others < self._threads
