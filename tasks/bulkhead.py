"""A provider's share of a worker's threads.

Queues alone do not keep a slow provider from taking every thread of a worker that serves all queues: with ten
seconds an answer, its messages would soon hold them all. Each provider gets an equal share.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Bulkhead:
    """Counts the attempts under way per provider in this process."""

    def __init__(self, threads: int, providers: int) -> None:
        """`threads` of the worker, shared by `providers`; none gets less than one."""
        self.share = max(1, threads // max(1, providers))
        self._lock = Lock()
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def place(self, provider: str) -> Iterator[bool]:
        """Whether there is room for one more attempt at the provider; the place is held for the block."""
        with self._lock:
            room = self._under_way[provider] < self.share
            self._under_way[provider] += room
        try:
            yield room
        finally:
            with self._lock:
                self._under_way[provider] -= room
