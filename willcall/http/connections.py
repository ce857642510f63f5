"""Connections that keep one deadline over connecting, headers and body.

urllib3's read timeout bounds the silence between two reads, so an answer that comes a byte at a time never
meets it. Here every read goes through `_BoundedFile`, which first sets the socket's timeout to what is left
of the exchange. The name look-up alone is bounded by the resolver's own limits.
"""

import io
import socket
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from time import monotonic
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from urllib3.response import HTTPResponse as PooledResponse

#: What `socket.getaddrinfo` gives: family, kind, protocol, canonical name, address.
_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

#: A connection unused for longer is not used again: servers and the boxes between drop idle ones, and a
#: request that meets such an end would have to be counted as unanswered. Seconds.
LONGEST_IDLE = 20.0


class TooManyBytesError(OSError):
    """More came over the wire than the exchange may take."""


class RefusedAddressError(OSError):
    """All addresses of the host are such that the exchange may not connect to them."""


@dataclass(slots=True)
class Allowance:
    """What one exchange may still take: time until `deadline` (monotonic seconds) and bytes off the wire.

    `admits` says whether an address of a host may be connected to (host, address); None: any may.
    `refusal` is the class of the error that kept us from connecting, None where a connection was there.
    """

    deadline: float
    read_timeout: float
    wire_bytes: int
    admits: Callable[[str, str], bool] | None = None
    refusal: str | None = None

    def seconds(self, at_most: float | None) -> float:
        """The timeout of the next step; raises TimeoutError where the time is up."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the time of the exchange is up")
        return left if at_most is None else min(at_most, left)


#: The allowance of the exchange that runs in this thread.
ALLOWANCE: ContextVar[Allowance] = ContextVar("allowance")


class _BoundedFile(io.RawIOBase):
    """A socket's incoming bytes, each read within what is left of the allowance."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._allowance = ALLOWANCE.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        allowance = self._allowance
        self._sock.settimeout(allowance.seconds(allowance.read_timeout))
        count = self._raw.readinto(buffer)
        allowance.wire_bytes -= count or 0
        if allowance.wire_bytes < 0:
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


class _Bounded(HTTPConnection):
    """A connection that asks the current allowance before each step and is not reused when long idle."""

    response_class = _BoundedResponse
    _used_at = 0.0

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that DNS cannot express
            ALLOWANCE.get().refusal = type(error).__name__
            raise ConnectionError("could not connect") from error

    def _new_conn(self) -> socket.socket:
        """The first of the host's addresses that answers; each has the connect timeout, all the deadline."""
        allowance = ALLOWANCE.get()
        failure = OSError("the host has no address")
        for family, kind, protocol, _, address in self._addresses(allowance):
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(allowance.seconds(self.timeout))
                sock.connect(address)
                sock.settimeout(allowance.seconds(self.timeout))  # of the TLS handshake that may follow
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _addresses(self, allowance: Allowance) -> Sequence[_Address]:
        """Where the host is, less what the exchange may not connect to.

        These very addresses are connected to, so a name cannot mean one address when checked and another when used.
        """
        host = self._dns_host
        found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        admitted = [entry for entry in found if allowance.admits is None or allowance.admits(host, str(entry[4][0]))]
        if found and not admitted:
            raise RefusedAddressError("no address of the host may be connected to")
        return admitted

    def getresponse(self) -> "PooledResponse":  # type: ignore[override]  # as urllib3 has it
        response = super().getresponse()
        self._used_at = monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        return super().is_connected and monotonic() - self._used_at < LONGEST_IDLE


class _BoundedTls(_Bounded, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTls


#: What a urllib3 PoolManager takes as its `pool_classes_by_scheme`.
POOL_CLASSES: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}
