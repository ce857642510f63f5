"""The event feed, read once or followed."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from willcall_client import calls
from willcall_client.api_errors import RejectedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from willcall_client.calls import Call
    from willcall_client.models import Event, EventPage

log = logging.getLogger("willcall_client")

#: Seconds for which Willcall waits for the next event, and no longer.
WAIT = 30


class _Position:
    """Where in the feed a reader is.

    `cursor` is the position after the last page whose events were all consumed. Store it after you have processed the
    events, and you miss none; after a crash, some may come again with the same `id`.
    """

    def __init__(self, cursor: str | None, page: int) -> None:
        self.cursor = cursor
        self._page = page
        self._unavailable = False
        self._server_waits = True

    def _next_page(self, wait: int) -> Call[EventPage]:
        return calls.events(self.cursor, self._page, wait)

    @property
    def _wait(self) -> int:
        return WAIT if self._server_waits else 0

    def _advance(self, page: EventPage) -> bool:
        """Return whether there may be more events by now."""
        self.cursor = page.next_cursor
        self._note_available()
        return len(page.items) >= self._page

    def _pause(self, started: float, interval: float) -> float:
        """Return the seconds until the next call: none if Willcall waited itself."""
        return max(started + interval - time.monotonic(), 0.0)

    def _stop_waiting(self, failure: RejectedError) -> None:
        """Continue without `wait` if the server is too old for it. Raises the failure if it has another reason."""
        if not self._server_waits or "wait" not in {each.field for each in failure.problem.errors or ()}:
            raise failure
        self._server_waits = False

    def _wait_after(self, failure: UnavailableError, interval: float) -> float:
        if not self._unavailable:
            log.warning("the event feed is unavailable: %s", failure)
        self._unavailable = True
        return max(interval, failure.retry_after or 0.0)

    def _note_available(self) -> None:
        if self._unavailable:
            log.warning("the event feed is available again")
        self._unavailable = False


class Feed(_Position):
    """Events up to now: iterate again later for newer ones, or `follow` them."""

    def __init__(self, run: Callable[[Call[EventPage]], EventPage], cursor: str | None, page: int) -> None:
        super().__init__(cursor, page)
        self._run = run

    def __iter__(self) -> Iterator[Event]:
        """Yield all events after the cursor, in order. Raises ApiError."""
        yield from self._read(wait=0)

    def _read(self, wait: int) -> Iterator[Event]:
        more = True
        while more:
            page = self._run(self._next_page(wait))
            yield from page.items
            more = self._advance(page)

    def follow(self, interval: float = 1.0) -> Iterator[Event]:
        """Yield events as they happen, without end, also after an outage of Willcall.

        Willcall responds when there is an event. There are `interval` seconds at least between two calls.
        Raises ApiError for anything but an outage.
        """
        while True:
            started = time.monotonic()
            try:
                yield from self._read(self._wait)
                pause = self._pause(started, interval)
            except UnavailableError as failure:
                pause = self._wait_after(failure, interval)
            except RejectedError as failure:
                self._stop_waiting(failure)
                pause = 0.0
            time.sleep(pause)


class AsyncFeed(_Position):
    """Events up to now: iterate again later for newer ones, or `follow` them."""

    def __init__(self, run: Callable[[Call[EventPage]], Awaitable[EventPage]], cursor: str | None, page: int) -> None:
        super().__init__(cursor, page)
        self._run = run

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield all events after the cursor, in order. Raises ApiError."""
        async for event in self._read(wait=0):
            yield event

    async def _read(self, wait: int) -> AsyncIterator[Event]:
        more = True
        while more:
            page = await self._run(self._next_page(wait))
            for event in page.items:
                yield event
            more = self._advance(page)

    async def follow(self, interval: float = 1.0) -> AsyncIterator[Event]:
        """Yield events as they happen, without end, as `Feed.follow` does."""
        while True:
            started = time.monotonic()
            try:
                async for event in self._read(self._wait):
                    yield event
                pause = self._pause(started, interval)
            except UnavailableError as failure:
                pause = self._wait_after(failure, interval)
            except RejectedError as failure:
                self._stop_waiting(failure)
                pause = 0.0
            await asyncio.sleep(pause)
