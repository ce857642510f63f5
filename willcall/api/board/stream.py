"""Live updates of a page, as server-sent events.

Viewers of the same page share one producer. It renders the page's parts every two seconds while there are viewers, and
sends those that changed.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

import structlog
from anyio import to_thread

from willcall.api.board.labels import clock, iso
from willcall.orders.errors import UnknownOrderError
from willcall.stores.connection import StoreError

log = structlog.get_logger(__name__)

#: Seconds between two renderings.
REFRESH_INTERVAL = 2.0
#: Seconds of silence after which an empty event is sent, and between two checks of the viewer's session.
HEARTBEAT = 10.0
#: Seconds of silence after which a page considers the connection dead.
STALE_AFTER = 3 * HEARTBEAT
#: Seconds after which a stream ends, so that the browser reconnects.
MAX_STREAM_SECONDS = 3_600.0
#: Per process.
MAX_VIEWERS = 100

#: The texts of times, which pages update themselves.
_TIME_TEXT = re.compile(r"(<time[^>]*>)[^<]*")

_UNAVAILABLE = 'Redis is not responding. State as of <time datetime="{}" data-clock>{}</time>.'

#: Parts of a page, by their id.
Fragments = Mapping[str, str]


class PageUpdates:
    """The parts of one page, as rendered last."""

    def __init__(self, render: Callable[[], Fragments]) -> None:
        """`render` renders all parts, in a thread. Raises StoreError if Redis is unavailable."""
        self._render = render
        self._changed = asyncio.Event()
        self._parts: dict[str, tuple[int, str, str]] = {}
        self.version = 0
        self.over = False
        self.viewers = 0
        self.task = asyncio.create_task(self._produce())

    async def _produce(self) -> None:
        unavailable, as_of = False, time.time()
        try:
            while True:
                try:
                    self._update({**await to_thread.run_sync(self._render), "connection-error": ""})
                    as_of = time.time()
                    if unavailable:
                        log.info("redis available again")
                    unavailable = False
                except StoreError as error:
                    if not unavailable:
                        log.warning("redis unavailable", error=error)
                    unavailable = True
                    self._update({"connection-error": _UNAVAILABLE.format(iso(as_of), clock(as_of))})
                await asyncio.sleep(REFRESH_INTERVAL)
        except UnknownOrderError:
            log.debug("order deleted while open")
        except Exception:
            log.exception("page update failed")
        finally:
            self.end()

    def _update(self, fragments: Fragments) -> None:
        changed = False
        for name, text in fragments.items():
            content = _TIME_TEXT.sub(r"\1", text)
            if name not in self._parts or self._parts[name][1] != content:
                self._parts[name] = (self.version + 1, content, text)
                changed = True
        if changed:
            self.version += 1
            self._wake()

    def end(self) -> None:
        """End the streams of all viewers."""
        self.over = True
        self.task.cancel()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Wait for a change, at most `HEARTBEAT` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), HEARTBEAT)

    def message(self, since: int) -> bytes:
        """Return an event with the parts that changed since a version, or an empty one: scripts cannot see comments."""
        changed = {name: text for name, (version, _, text) in self._parts.items() if version > since}
        return f"data: {json.dumps(changed)}\n\n".encode()


class UpdateStreams:
    """All streams of this process."""

    def __init__(self) -> None:
        self._pages: dict[str, PageUpdates] = {}
        self._stopped = False

    @property
    def full(self) -> bool:
        return self._stopped or sum(page.viewers for page in self._pages.values()) >= MAX_VIEWERS

    def stop(self) -> None:
        """End all streams, as the process is stopping."""
        self._stopped = True
        for page in self._pages.values():
            page.end()

    async def watch(
        self, name: str, render: Callable[[], Fragments], allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """Yield the events of a page: first all parts, then what changes.

        The stream ends once `allowed` returns false, which is checked every `HEARTBEAT` seconds; only its StoreError is
        ignored.
        """
        page = self._pages.get(name)
        if page is None or page.over:
            page = self._pages[name] = PageUpdates(render)
        page.viewers += 1
        try:
            async for event in _events(page, allowed):
                yield event
        finally:
            page.viewers -= 1
            if not page.viewers:
                page.end()
                if self._pages.get(name) is page:
                    del self._pages[name]


async def _events(page: PageUpdates, allowed: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    now = asyncio.get_running_loop().time
    seen, end, checked = 0, now() + MAX_STREAM_SECONDS, now()
    yield b"retry: 3000\n\n"
    while not page.over and now() < end:
        if seen == page.version:
            await page.wait()
        if now() - checked >= HEARTBEAT:
            with suppress(StoreError):  # viewers hear that Redis is unavailable
                if not await allowed():
                    return
            checked = now()  # after the check, so that a Redis that hangs is not queried again immediately
        if page.version and not page.over:  # there is nothing to send before the first rendering
            message, seen = page.message(seen), page.version
            yield message
