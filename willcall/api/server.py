"""Runs the application with uvicorn, with limits on connections."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

#: Connections at once, idle ones included; below the usual limit of open files. Beyond that, uvicorn responds 503.
MAX_CONNECTIONS = 800
#: Of these, those kept free for new clients; see `Connection`.
SPARE_CONNECTIONS = 50
#: Seconds in which the head of a request must arrive, from the previous response or the start of the connection.
HEAD_TIMEOUT = 20
#: Seconds that an idle connection stays open; longer than a busy backend pauses between two calls.
KEEP_ALIVE = 15
#: Seconds that requests in progress may take when the process stops.
SHUTDOWN_GRACE = 20
#: Longest request line and headers.
MAX_HEAD_BYTES = 64 * 1024


def loopback_only(host: str) -> bool:
    """Return whether `host` is only reachable from this machine. Raises OSError for an unknown name."""
    return bool(host) and all(
        ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback
        for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address, family=family, backlog=512)
    # Accepted connections inherit it. asyncio sets it only on sockets that name their protocol, which this one does
    # not; without it each answer waits 40 ms for the caller's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """A server that ends streams when it shuts down, instead of waiting for them."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop()
        await super().shutdown(sockets)


class ApiConnection(H11Protocol):
    """A connection that closes when the client is too slow.

    uvicorn waits for a request's head without limit, even if it arrives byte by byte, and rejects new clients once slow
    ones hold all connections. Here, connections of the clients that send the least are closed. For example, with 800
    connections allowed and 50 spare, the 751st connection closes one of the others: among those that have not completed
    a request, the one that sent the fewest bytes per second.
    """

    _head_timer: asyncio.TimerHandle | None = None
    _served = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_client()
        if len(self.connections) > MAX_CONNECTIONS - SPARE_CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        if not self._awaits_head:
            self._stop_timer()

    def on_response_complete(self) -> None:
        self._served = True
        self._await_client()
        super().on_response_complete()
        if not self._awaits_head:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether the client is expected to send something."""
        return self._awaits_head or self.cycle.more_body

    @property
    def _awaits_head(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's annotation leaves out that there may be none yet
        return cycle is None or cycle.response_complete

    def retention_key(self, now: float) -> tuple[bool, bool, float, float]:
        """Return a sort key: connections without a complete request first, then those that send the least.

        Connections younger than a second come later, as they had no chance yet.
        """
        age = now - self._since
        return self._served, age < 1.0, self._received / max(age, 1.0), -age

    def _make_room(self) -> None:
        """Close the connection that sorts first."""
        now = self.loop.time()
        others = (each for each in self.connections if isinstance(each, ApiConnection))
        idle = [each for each in others if each.idle and not each.transport.is_closing()]
        if idle:
            closed = min(idle, key=lambda each: each.retention_key(now))
            self.connections.discard(closed)  # at once: uvicorn would reject new clients until it notices
            closed.transport.abort()

    def _await_client(self) -> None:
        self._since, self._received = self.loop.time(), 0
        self._stop_timer()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None


def configuration(api: ASGIApp) -> uvicorn.Config:
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Config(
        api,
        http=ApiConnection,  # over h11, the only one of uvicorn's parsers that bounds the head of a request
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=SHUTDOWN_GRACE,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )


def serve(api: ASGIApp, listener: socket.socket, stop: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal. Requests in progress are completed, except those that `stop` ends."""
    _Server(configuration(api), stop).run(sockets=[listener])
