"""An HTTP server for a worker's metrics."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EADDRINUSE
from functools import partial
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server

from workers.host_header import accepts_host

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

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
            server = start_http_server(port, host, registry)[0]
        except OSError as error:
            if error.errno != EADDRINUSE:
                log.warning("metrics unavailable", host=host, port=port, why=error.strerror)
                return None
        else:
            server.set_app(partial(_serve, make_wsgi_app(registry), host))
            return server
    log.warning("metrics unavailable", host=host, port=first, why=f"the next {PORTS} ports are in use")
    return None


def _serve(
    metrics: "WSGIApplication", host: str, environment: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Serve the metrics, which need no password, to requests that name this machine."""
    if accepts_host(environment.get("HTTP_HOST", ""), host):
        return metrics(environment, start_response)
    start_response("421 Misdirected Request", [("Content-Type", "text/plain")])
    return [b"The Host header names another machine.\n"]
