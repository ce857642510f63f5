"""Compressed pages, and compressed updates of pages."""

import zlib
from collections.abc import AsyncIterator

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

#: Paths that are not compressed here: those for programs, and the stream, whose events are compressed one by one.
_AS_THEY_ARE = ("/v1/", "/webhooks/", "/metrics", "/healthz", "/readyz", "/board/stream")
#: The smallest response that is compressed, in bytes, and the level of compression.
_SMALLEST, _LEVEL = 1_000, 5


class PageCompression:
    """Compresses the board's pages, its styles and scripts, for browsers that accept it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressing = GZipMiddleware(app, minimum_size=_SMALLEST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        plain = scope["type"] != "http" or path.startswith(_AS_THEY_ARE) or "/documents/" in path
        await (self._app if plain else self._compressing)(scope, receive, send)


def accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


async def compressed(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Compress a stream of events, so that each can be read on arrival and shares the window of the earlier ones."""
    packer = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    async for event in events:
        yield packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()
