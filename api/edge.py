"""Around every request: its id, its line in the log, the headers of its answer, and how many there may be at once."""

import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import ApiError, Kind

log = structlog.get_logger(__name__)

#: Threads that work on requests; they mostly wait for Redis.
THREADS = 32
#: Requests at once: beyond, callers are told to come back rather than left to wait behind others.
IN_FLIGHT = 2 * THREADS

#: Answered however busy the process is, and not worth a line in the log.
_PROBES = frozenset({"/healthz", "/readyz"})
#: Open for hours, and bounded by itself.
_STREAM = "/board/stream"
#: Neither counted among the requests at once nor refused because of them.
_APART = _PROBES | {_STREAM}

_SANE_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,100}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
#: The page at /docs runs scripts, which come from here alone.
_DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, stop: Callable[[], None]) -> None:
        """`stop` ends what would go on for hours when the process is told to stop."""
        self._app = app
        self.stop = stop
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._serve(scope, receive, send, request_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started, status = perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(MutableHeaders(scope=message), scope, request_id)
            await send(message)

        counted = scope["path"] not in _APART
        self._in_flight += counted
        try:
            if self._in_flight > IN_FLIGHT and counted:
                busy = ApiError(Kind.BUSY, f"more than {IN_FLIGHT} requests at once", headers={"Retry-After": "1"})
                await busy.response()(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Exception:
            log.exception("request failed")
            if not status:
                raise
        finally:
            self._in_flight -= counted
            _note(scope, status, perf_counter() - started)


def _complete(headers: MutableHeaders, scope: Scope, request_id: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if scope["path"] == "/docs":
        headers["Content-Security-Policy"] = _DOCS_POLICY


def _note(scope: Scope, status: int, seconds: float) -> None:
    """One line; the path as the route has it, for what callers put into theirs may be secret."""
    route = getattr(scope.get("route"), "path", "none")
    write = log.debug if scope["path"] in _APART else log.info
    method = scope["method"] if scope["method"] in _METHODS else "other"
    write("request", method=method, route=route, status=status, ms=round(seconds * 1_000, 1))
