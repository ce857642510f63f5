"""Have a proxy connect to a host (CONNECT).

https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
"""

import re
import socket
from collections.abc import Callable

from willcall.http.errors import ConnectError
from willcall.http.routes import Proxy

_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})\b")
#: Longest head of a response.
_LONGEST_HEAD = 16_384
_GATEWAY_ERRORS = {502, 503, 504}
_REFUSALS = {
    403: "the proxy does not allow this host",
    407: "the proxy rejected our user name and password",
} | dict.fromkeys(_GATEWAY_ERRORS, "the proxy could not connect to the host")


class ProxyError(ConnectError):
    """The proxy cannot be reached, or refuses to connect to the host; nothing reached the host.

    `status` is that of its response.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_unreachable_host(self) -> bool:
        """Whether another address of the host may work."""
        return self.status in _GATEWAY_ERRORS


def open_tunnel(connection: socket.socket, proxy: Proxy, target: str, wait: Callable[[], float]) -> None:
    """Have the proxy connect to `target`, which is `host:port`. Raises ProxyError, OSError.

    `wait` returns the timeout of the next step.
    """
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    connection.settimeout(wait())
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    match = _STATUS.match(_read_head(connection, wait))
    if match is None:
        raise ProxyError("the proxy's response is not HTTP")
    status = int(match[1])
    if status not in range(200, 300):
        raise proxy_refusal(status)


def proxy_refusal(status: int) -> ProxyError:
    """Return the error for a status with which a proxy refuses."""
    return ProxyError(f"{_REFUSALS.get(status, 'the proxy refused')} (HTTP {status})", status)


def _read_head(connection: socket.socket, wait: Callable[[], float]) -> bytes:
    """Read up to the empty line. One byte at a time, because what follows belongs to the host."""
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        connection.settimeout(wait())
        byte = connection.recv(1)
        head += byte
        if not byte or len(head) > _LONGEST_HEAD:
            raise ProxyError("the proxy's response is incomplete")
    return bytes(head)
