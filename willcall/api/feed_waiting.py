"""Requests that wait for the next event of the feed.

All of a process share one check for new events, every fifth of a second while any of them waits. It takes one round
trip and no thread in between, however many wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from anyio import to_thread

from willcall.stores.connection import StoreError

#: Seconds between two checks.
INTERVAL = 0.2
#: Requests that wait at once, per process. Further ones are answered at once.
MAX_WAITING = 200

#: Whose feed (`None`: all events), and after which cursor.
Position = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    position: Position
    over: asyncio.Event = field(default_factory=asyncio.Event)


class FeedWaiters:
    """The waiting requests of this process."""

    def __init__(self, check: Callable[[Sequence[Position]], Sequence[bool]]) -> None:
        """`check` returns which positions have an event after them, in a thread. Raises StoreError."""
        self._check = check
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def wait(self, position: Position, seconds: float) -> None:
        """Return once there is an event after the position, after `seconds`, or because the process stops."""
        if self._stopped or len(self._waiters) >= MAX_WAITING:
            return
        waiter = _Waiter(position)
        self._waiters.add(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(waiter.over.wait(), seconds)
        finally:
            self._waiters.discard(waiter)

    def stop(self) -> None:
        """End all waiting, as the process is stopping."""
        self._stopped = True
        self._end(self._waiters)

    async def _watch(self) -> None:
        while self._waiters:
            positions = list({waiter.position for waiter in self._waiters})
            try:
                found = await to_thread.run_sync(self._check, positions)
            except StoreError:  # each request finds out by itself, and says so
                self._end(self._waiters)
                return
            news = {position for position, new in zip(positions, found, strict=True) if new}
            self._end([waiter for waiter in self._waiters if waiter.position in news])
            await asyncio.sleep(INTERVAL)

    @staticmethod
    def _end(waiters: Sequence[_Waiter] | set[_Waiter]) -> None:
        for waiter in waiters:
            waiter.over.set()
