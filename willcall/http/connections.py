"""Connections with one budget of time and bytes for connecting, headers and body.

urllib3's read timeout limits each read, so a response that arrives byte by byte never times out. Here every read goes
through `_BoundedFile`, which first sets the socket's timeout to the time left.

With the limits 3 s to connect, 10 s between reads and 20 s in total: a server that accepts after 2 s and then sends a
byte every 6 s is read at 8, 14 and 20 s. The read that begins at 14 s waits for 6 s, not 10, and ends the exchange.
Only the resolution of names has the resolver's own limits.

This is the only module that relies on parts of requests, urllib3 and http.client that are not documented.
docs/internals.md lists them with the tests that fail when they change.
"""

import io
import socket
import ssl
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from http.client import HTTPResponse
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url
from urllib3.util.ssltransport import SSLTransport

from willcall.http.address_guard import is_public
from willcall.http.errors import ConnectError, RefusedAddressError, TooManyBytesError, connect_error
from willcall.http.messages import HttpLimits
from willcall.http.routes import Proxy
from willcall.http.tunnels import ProxyError, open_tunnel

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from urllib3.response import HTTPResponse as PooledResponse

#: What `socket.getaddrinfo` returns: family, kind, protocol, canonical name, address.
_AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

#: Seconds after which an idle connection is not reused. Servers and middleboxes drop idle connections, and a request
#: sent on a dropped one would count as unanswered.
LONGEST_IDLE = 20.0
#: Wire bytes beyond twice `max_bytes`: headers and the framing of chunks.
_OVERHEAD = 1_048_576


@dataclass(slots=True)
class Budget:
    """What is left for a call, over all its exchanges: time until `deadline` (monotonic seconds) and bytes received.

    `admits(host, address)` returns whether connections to an address of a host are allowed; `None` allows all.
    `connect_error` is why the last exchange could not connect.
    """

    deadline: float
    read_timeout: float
    wire_bytes: int
    admits: Callable[[str, str], bool] | None = None
    connect_error: Exception | None = None

    @classmethod
    def of(cls, limits: HttpLimits, admits: Callable[[str, str], bool] | None = None) -> "Budget":
        """Return the budget of a call that begins now."""
        wire_bytes = 2 * limits.max_bytes + _OVERHEAD
        return cls(monotonic() + limits.total_timeout, limits.read_timeout, wire_bytes, admits)

    def timeout(self, at_most: float | None) -> float:
        """Return the timeout of the next step. Raises TimeoutError when the time is up."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the time of the call is up")
        return left if at_most is None else min(at_most, left)


#: The budget of the exchange that runs in this thread.
BUDGET: ContextVar[Budget] = ContextVar("budget")


class _BoundedFile(io.RawIOBase):
    """A socket's incoming bytes; each read is limited by what is left of the budget."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._budget = BUDGET.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        budget = self._budget
        self._sock.settimeout(budget.timeout(budget.read_timeout))
        count = self._raw.readinto(buffer)
        budget.wire_bytes -= count or 0
        if budget.wire_bytes < 0:
            raise TooManyBytesError
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    """Reads status, headers and body through a `_BoundedFile`."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedFile(sock))


class _BoundedSslSocket(ssl.SSLSocket):
    """An encrypted connection to a proxy. One read of what is encrypted within it may take several of its reads."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self.settimeout(BUDGET.get().timeout(self.gettimeout()))
        return super().recv(buflen, flags)


class BoundedConnection(HTTPConnection):
    """A connection that keeps the current budget in each step and is not reused when long idle."""

    response_class = _BoundedResponse
    _used_at = 0.0

    def __init__(
        self, *args: Any, tls: Callable[[], ssl.SSLContext], route_proxy: Proxy | None = None, **options: Any
    ) -> None:
        """`route_proxy`: the proxy to connect through; `tls` returns the context of connections by TLS."""
        super().__init__(*args, **options)
        self._proxy = route_proxy
        self._tls = tls

    def connect(self) -> None:
        try:
            self.sock = self._connect()
        except (OSError, UnicodeError, ConnectError) as error:  # UnicodeError: not a valid DNS name
            BUDGET.get().connect_error = error
            raise ConnectionError("could not connect") from error

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:
        """Begin a request. A proxy that forwards it needs the whole URL."""
        forwarded = self._proxy is not None and self._is_forwarded
        super().putrequest(method, f"http://{self._authority(80)}{url}" if forwarded else url, *args, **options)
        if forwarded and self._proxy and self._proxy.authorization:
            self.putheader("Proxy-Authorization", self._proxy.authorization)

    @property
    def _is_forwarded(self) -> bool:
        """Whether a proxy forwards requests, rather than connecting to an address that the guard has checked."""
        return BUDGET.get().admits is None

    def _connect(self) -> socket.socket:
        """Connect to the host, or to the proxy that forwards requests to it."""
        budget = BUDGET.get()
        if self._proxy is None:
            return self._connect_to(self._admitted(budget), budget)
        if self._is_forwarded:
            return self._connect_to_proxy(self._proxy, budget)
        return self._connect_to_checked(self._proxy, budget)

    def _connect_to_checked(self, proxy: Proxy, budget: Budget) -> socket.socket:
        """Connect to an address that the guard has checked: through the proxy or, in our own network, directly.

        The proxy gets the address instead of the name, which might resolve to another address there.
        """
        addresses = self._admitted(budget)
        public = [str(entry[4][0]) for entry in addresses if is_public(ip_address(entry[4][0]))]
        if not public:
            return self._connect_to(addresses, budget)
        failure = ProxyError("")
        for address in public:
            try:
                return self._tunnel_to(proxy, _bracketed(address), budget)
            except ProxyError as error:
                failure = error
                if not error.is_unreachable_host:
                    break
        raise failure

    def _tunnel_to(self, proxy: Proxy, host: str, budget: Budget) -> socket.socket:
        """Connect to a host through the proxy. Raises ProxyError."""
        sock = self._connect_to_proxy(proxy, budget)
        try:
            open_tunnel(sock, proxy, f"{host}:{self.port}", lambda: budget.timeout(self.timeout))
        except OSError as error:
            sock.close()
            raise ProxyError(f"proxy: {connect_error(error)}") from error
        except ProxyError:
            sock.close()
            raise
        return sock

    def _connect_to_proxy(self, proxy: Proxy, budget: Budget) -> socket.socket:
        """Connect to the proxy itself, by TLS if it needs that. Raises ProxyError."""
        try:
            sock = self._connect_to(_resolve(proxy.host, proxy.port), budget)
            return _start_tls(sock, self._tls(), proxy.host) if proxy.tls else sock
        except (OSError, UnicodeError) as error:
            raise ProxyError(f"proxy: {connect_error(error)}") from error

    def _connect_to(self, addresses: Sequence[_AddressInfo], budget: Budget) -> socket.socket:
        """Connect to the first address that answers.

        Each address has the connect timeout, all of them together the budget's time.
        """
        failure = OSError("the host has no address")
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(budget.timeout(self.timeout))
                sock.connect(address)
                sock.settimeout(budget.timeout(self.timeout))  # of the TLS handshake that may follow
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _admitted(self, budget: Budget) -> Sequence[_AddressInfo]:
        """Resolve the host to the addresses that are allowed.

        Connections use these very addresses, so a name cannot resolve to one address when checked and to another when
        used.
        """
        host = self._dns_host
        found = _resolve(host, self.port)
        admitted = [entry for entry in found if budget.admits is None or budget.admits(host, str(entry[4][0]))]
        if found and not admitted:
            raise RefusedAddressError("the host has no address to which connections are allowed")
        return admitted

    def _authority(self, default_port: int) -> str:
        host = _bracketed(self.host)
        return host if self.port == default_port else f"{host}:{self.port}"

    def getresponse(self) -> "PooledResponse":  # type: ignore[override]  # as urllib3 has it
        response = super().getresponse()
        self._used_at = monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        return super().is_connected and monotonic() - self._used_at < LONGEST_IDLE


class BoundedTlsConnection(BoundedConnection, HTTPSConnection):
    """The same, over TLS. A proxy never forwards its requests: it connects to the host."""

    _is_forwarded = False

    def _connect(self) -> socket.socket:
        budget = BUDGET.get()
        if self._proxy and budget.admits is None:
            sock = self._tunnel_to(self._proxy, _bracketed(self.host), budget)
        else:
            sock = super()._connect()
        sock = _start_tls(sock, self._tls(), self.host)
        self.is_verified = True
        return sock


def _resolve(host: str, port: int) -> Sequence[_AddressInfo]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _start_tls(sock: socket.socket, context: ssl.SSLContext, host: str) -> socket.socket:
    """Encrypt a connection, also one within an encrypted connection to a proxy."""
    name = host.strip("[]")
    context.sslsocket_class = _BoundedSslSocket
    try:
        if isinstance(sock, ssl.SSLSocket):
            return SSLTransport(sock, context, name)  # type: ignore[return-value]  # has what HTTPConnection uses
        return context.wrap_socket(sock, server_hostname=name)
    except (OSError, ValueError):
        sock.close()
        raise


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class _Pool(HTTPConnectionPool):
    ConnectionCls = BoundedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = BoundedTlsConnection


class BoundedAdapter(HTTPAdapter):
    """The adapter of requests, with these connections, one proxy or none, and one TLS context.

    `tls` returns the context; it is called when the first https host is connected to.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], proxy: Proxy | None, hosts: int, connections: int) -> None:
        self._options: dict[str, Any] = {"tls": tls, "route_proxy": proxy}
        super().__init__(pool_connections=hosts, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_Pool, **self._options),
            "https": partial(_TlsPool, **self._options),
        }

    def cert_verify(self, *args: object, **kwargs: object) -> None:
        """Leave verification to the context: the base class reloads the certificates for each connection."""

    def request_url(self, request: PreparedRequest, *_: object, **__: object) -> str:
        """Return the path without dot segments. The base class drops leading slashes, which a signed URL may have."""
        return parse_url(request.url or "").request_uri
