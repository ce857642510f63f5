"""`/board/stream`: what changes on a page, as server-sent events.

All who watch the same page share one producer: it looks every two seconds while anybody watches, and what it renders
is sent to each of them only where it changed.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

import structlog
from anyio import to_thread

from willcall.orders.errors import UnknownOrderError
from willcall.stores.connection import StoreError

log = structlog.get_logger(__name__)

#: Seconds between two looks.
REFRESH_INTERVAL = 2.0
#: Seconds of silence after which an empty event is sent, so that nobody takes the connection for dead; as often it is
#: asked whether who watches still may.
HEARTBEAT = 10.0
#: Seconds of silence after which a page takes the connection for dead.
STALE_AFTER = 3 * HEARTBEAT
#: Seconds after which a browser is asked to come back, whose session may be over by then.
MAX_STREAM_SECONDS = 3_600.0
#: Streams at once.
MAX_VIEWERS = 100

#: The words of moments that go by; pages count them on by themselves.
_PASSING = re.compile(r"(<time[^>]*>)[^<]*")

#: Parts of a page by their id in it.
Fragments = Mapping[str, str]


class PageUpdates:
    """A page that is watched: its parts as they were rendered last."""

    def __init__(self, look: Callable[[], Fragments]) -> None:
        """`look` renders all parts; it runs in a thread. Raises StoreError where Redis is away."""
        self._look = look
        self._changed = asyncio.Event()
        self._parts: dict[str, tuple[int, str, str]] = {}
        self.version = 0
        self.over = False
        self.viewers = 0
        self.task = asyncio.create_task(self._produce())

    async def _produce(self) -> None:
        away = False
        try:
            while True:
                try:
                    self._take({**await to_thread.run_sync(self._look), "connection-error": ""})
                    if away:
                        log.info("redis available again")
                    away = False
                except StoreError as error:
                    if not away:
                        log.warning("redis unavailable", error=error)
                    away = True
                    self._take({"connection-error": "Redis does not answer. What is shown is old."})
                await asyncio.sleep(REFRESH_INTERVAL)
        except UnknownOrderError:
            log.debug("order deleted while open")
        except Exception:
            log.exception("page update failed")
        finally:
            self.end()

    def _take(self, fragments: Fragments) -> None:
        changed = False
        for name, text in fragments.items():
            essence = _PASSING.sub(r"\1", text)
            if name not in self._parts or self._parts[name][1] != essence:
                self._parts[name] = (self.version + 1, essence, text)
                changed = True
        if changed:
            self.version += 1
            self._wake()

    def end(self) -> None:
        """Send everybody away."""
        self.over = True
        self.task.cancel()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Until something changes, or some seconds have passed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), HEARTBEAT)

    def message(self, since: int) -> bytes:
        """What changed since a version, as an event. Where nothing did it is empty, as no script sees a comment."""
        changed = {name: text for name, (version, _, text) in self._parts.items() if version > since}
        return f"data: {json.dumps(changed)}\n\n".encode()


class UpdateStreams:
    """All that is watched in this process."""

    def __init__(self) -> None:
        self._channels: dict[str, PageUpdates] = {}
        self._stopped = False

    @property
    def full(self) -> bool:
        """Whether nobody more can be served."""
        return self._stopped or sum(channel.viewers for channel in self._channels.values()) >= MAX_VIEWERS

    def stop(self) -> None:
        """End all streams at once: the process is told to stop."""
        self._stopped = True
        for channel in self._channels.values():
            channel.end()

    async def watch(
        self, name: str, look: Callable[[], Fragments], allowed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """The events of a page, which `look` renders; all at first, then what changes.

        They end when `allowed`, which is asked now and then, says so. Raises what it raises but StoreError.
        """
        channel = self._channels.get(name)
        if channel is None or channel.over:
            channel = self._channels[name] = PageUpdates(look)
        channel.viewers += 1
        try:
            async for event in _events(channel, allowed):
                yield event
        finally:
            channel.viewers -= 1
            if not channel.viewers:
                channel.end()
                if self._channels.get(name) is channel:
                    del self._channels[name]


async def _events(channel: PageUpdates, allowed: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    seen, end, asked = 0, clock() + MAX_STREAM_SECONDS, clock()
    yield b"retry: 3000\n\n"
    while not channel.over and clock() < end:
        if seen == channel.version:
            await channel.wait()
        if clock() - asked >= HEARTBEAT:
            with suppress(StoreError):  # what watchers are told then is that Redis is away
                if not await allowed():
                    return
            asked = clock()  # after the answer: a Redis that hangs is not asked again at once
        if channel.version and not channel.over:  # before the first look nothing is known
            message, seen = channel.message(seen), channel.version
            yield message
