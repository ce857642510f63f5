"""An HTTP server for a worker's metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EADDRINUSE
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, start_http_server

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

log = structlog.get_logger(__name__)

#: Ports to try, from the configured one upwards: so many workers may share a machine.
PORTS = 100
_LAST_PORT = 65_535


@contextmanager
def metrics_server(registry: CollectorRegistry, host: str, port: int) -> Iterator[str | None]:
    """Serve the metrics during the block and yield the address, `<host>:<port>`.

    Yields `None` for port 0, and if no port is free: that is logged only, because a worker polls without metrics too.
    """
    server = _listen(registry, host, port) if port else None
    if server is None:
        yield None
        return
    address = f"{host}:{server.server_port}"
    log.info("metrics available", address=address)
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


def _listen(registry: CollectorRegistry, host: str, first: int) -> "WSGIServer | None":
    """Return a server on the first free port, if there is one."""
    for port in range(first, min(first + PORTS, _LAST_PORT + 1)):
        try:
            return start_http_server(port, host, registry)[0]
        except OSError as error:
            if error.errno != EADDRINUSE:
                log.warning("metrics unavailable", host=host, port=port, why=error.strerror)
                return None
    log.warning("metrics unavailable", host=host, port=first, why=f"the next {PORTS} ports are in use")
    return None
