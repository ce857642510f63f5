"""Handles every request: its id, log line, response headers, and how many run at once."""

import re
from collections import Counter
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from willcall.api.problems import ProblemError, busy

log = structlog.get_logger(__name__)

#: Threads that process requests; they mostly wait for Redis.
WORKER_THREADS = 32
#: Requests of one kind at once. Beyond that, callers get 503 instead of a long wait.
MAX_IN_FLIGHT = 2 * WORKER_THREADS
#: The same for calls that wait for a provider or a backend, or work for long. Most threads stay free for the others.
MAX_SLOW = WORKER_THREADS // 4

#: Never limited, and logged at debug level only.
_PROBES = frozenset({"/healthz", "/readyz"})
#: Streams, open for hours; `board.stream` limits their number.
_STREAM = "/board/stream"
#: Limited per account. People paste these URLs with extra slashes.
_WEBHOOKS = "/webhooks/"
_SLASHES = re.compile(r"/{2,}")
#: Paths of the slow calls, which are one kind.
_SLOW = ("/v1/look", "/v1/trigger", "/v1/redeliveries", "/v1/checkouts", "/v1/orders:bulk")
#: Kinds of requests, by the beginning of the path. All others (pages, forms, metrics) are one more kind.
_KINDS = ("/v1/orders:batch", "/v1/")

_SANE_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,100}")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Over http, browsers send `Origin: null` with forms of pages that send no referrer.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
#: The page at /docs runs scripts, all of them from here.
_DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)


class RequestMiddleware:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, stop: Callable[[], None]) -> None:
        """`stop` ends streams, which would outlast the shutdown."""
        self._app = app
        self.stop = stop
        self._in_flight: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._serve(scope, receive, send, request_id)

    async def _serve(self, given: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started, status, scope = perf_counter(), 0, _routed(given)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(MutableHeaders(scope=message), scope, request_id)
            await send(message)  # the server leaves out the body of an answer to HEAD

        scope["slot"] = slot = RequestSlot(self._in_flight, _kind(scope["path"]))
        try:
            try:
                slot.take()
            except ProblemError as full:
                await full.response()(scope, receive, answer)
            else:
                await self._app(scope, slot.while_working(receive), answer)
        except Exception:
            log.exception("request failed")
            if not status:
                raise
        finally:
            slot.leave()
            _note({**scope, "method": given["method"]}, status, perf_counter() - started)


class RequestSlot:
    """A request's slot among those of its kind that are processed. It has none while its body or an event arrives."""

    def __init__(self, used: Counter[str], kind: str | None) -> None:
        """`used` counts slots by kind; a request of kind `None` needs no slot."""
        self._used = used
        self._kind = kind
        self._has = False

    def take(self) -> None:
        """Take a slot. Raises ApiError if there is none."""
        if self._kind is None or self._has:
            return
        most = MAX_SLOW if self._kind in _SLOW else MAX_IN_FLIGHT
        if self._used[self._kind] >= most:
            raise busy(f"more than {most} requests at once")
        self._used[self._kind] += 1
        self._has = True

    def leave(self) -> None:
        """Give the slot back."""
        if self._kind is not None and self._has:
            self._used[self._kind] -= 1
            self._has = False

    def while_working(self, receive: Receive) -> Receive:
        """Return a `receive` that frees the slot until the body is complete. It raises ApiError if none is left."""
        here = False

        async def next_message() -> Message:
            nonlocal here
            if here:
                return await receive()
            self.leave()
            message = await receive()
            here = not message.get("more_body", False)
            if here:
                self.take()
            return message

        return next_message


def _routed(scope: Scope) -> Scope:
    """Return the scope for the router: HEAD becomes GET, and extra slashes in webhook URLs are dropped."""
    path, method = _SLASHES.sub("/", scope["path"]), scope["method"]
    if path.startswith(_WEBHOOKS):
        scope = {**scope, "path": path.rstrip("/")}
    if method == "HEAD" and path != _STREAM:
        scope = {**scope, "method": "GET"}
    return scope


def _kind(path: str) -> str | None:
    if path in _PROBES or path == _STREAM or path.startswith(_WEBHOOKS):
        return None
    if path in _SLOW:
        return _SLOW[0]
    return next((beginning for beginning in _KINDS if path.startswith(beginning)), "")


def _complete(headers: MutableHeaders, scope: Scope, request_id: str) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if scope["path"] == "/docs":
        headers["Content-Security-Policy"] = _DOCS_POLICY


def _note(scope: Scope, status: int, seconds: float) -> None:
    """Log one line, with the path of the route: callers' paths may hold secrets."""
    route = getattr(scope.get("route"), "path", "none")
    write = log.debug if scope["path"] in _PROBES or scope["path"] == _STREAM else log.info
    method = scope["method"] if scope["method"] in _METHODS else "other"
    principal = scope.get("state", {}).get("principal")
    owner = {"client": principal.client} if principal and principal.client else {}
    write("request", method=method, route=route, status=status, ms=round(seconds * 1_000, 1), **owner)
