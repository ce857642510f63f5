"""Listening: where, and with which bounds."""

import ipaddress
import logging
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

#: Connections at once, idle ones included: below the usual limit of open files. Beyond, uvicorn answers 503 itself.
CONNECTIONS = 800
#: Seconds that an idle connection is kept; above the pause between two calls of a busy backend.
KEEP_ALIVE = 15
#: Seconds that requests under way may take when the process is told to stop.
GRACE = 20
#: Longest request line and headers, bytes.
LONGEST_HEAD = 64 * 1024


def loopback_only(host: str) -> bool:
    """Whether listening on `host` can be reached from this machine alone. Raises OSError for an unknown name."""
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
    """Ends what would go on for hours, rather than wait for it."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop()
        await super().shutdown(sockets)


def serve(api: ASGIApp, listener: socket.socket, stop: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal; what is under way is finished first, but for what `stop` ends."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        api,
        http="h11",  # the only one of uvicorn's parsers that bounds the head of a request
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
    _Server(config, stop).run(sockets=[listener])
