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
from http.client import HTTPResponse
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from willcall.http.errors import RefusedAddressError, TooManyBytesError
from willcall.http.messages import HttpLimits

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


class BoundedConnection(HTTPConnection):
    """A connection that keeps the current budget in each step and is not reused when long idle."""

    response_class = _BoundedResponse
    _used_at = 0.0

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, UnicodeError, RefusedAddressError) as error:  # UnicodeError: not a valid DNS name
            BUDGET.get().connect_error = error
            raise ConnectionError("could not connect") from error

    def _new_conn(self) -> socket.socket:
        """Connect to the first of the host's addresses that answers.

        Each address has the connect timeout, all of them together the budget's time.
        """
        budget = BUDGET.get()
        failure = OSError("the host has no address")
        for family, kind, protocol, _, address in self._addresses(budget):
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

    def _addresses(self, budget: Budget) -> Sequence[_AddressInfo]:
        """Resolve the host to the addresses that are allowed.

        Connections use these very addresses, so a name cannot resolve to one address when checked and to another when
        used.
        """
        host = self._dns_host
        found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        admitted = [entry for entry in found if budget.admits is None or budget.admits(host, str(entry[4][0]))]
        if found and not admitted:
            raise RefusedAddressError("the host has no address to which connections are allowed")
        return admitted

    def getresponse(self) -> "PooledResponse":  # type: ignore[override]  # as urllib3 has it
        response = super().getresponse()
        self._used_at = monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        return super().is_connected and monotonic() - self._used_at < LONGEST_IDLE


class BoundedTlsConnection(BoundedConnection, HTTPSConnection):
    """The same, over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = BoundedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = BoundedTlsConnection


class BoundedAdapter(HTTPAdapter):
    """The adapter of requests, with these connections and one TLS context.

    `tls` returns the context; it is called when the first https host is connected to.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], hosts: int, connections: int) -> None:
        self._tls = tls
        super().__init__(pool_connections=hosts, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": self._tls_pool}

    def _tls_pool(self, *args: Any, **kwargs: Any) -> _TlsPool:
        return _TlsPool(*args, ssl_context=self._tls(), **kwargs)

    def cert_verify(self, *args: object, **kwargs: object) -> None:
        """Leave verification to the context: the base class reloads the certificates for each connection."""

    def request_url(self, request: PreparedRequest, *_: object, **__: object) -> str:
        """Return the path without dot segments. The base class drops leading slashes, which a signed URL may have."""
        return parse_url(request.url or "").request_uri
