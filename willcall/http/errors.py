"""Errors of exchanges. The messages are for operators and never quote a URL, a header or a body."""

import ssl
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from socket import gaierror

from requests.exceptions import ReadTimeout, RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError

#: All that requests and urllib3 raise for the network and the server; some `OSError`s and `HTTPException`s are not
#: wrapped.
FAILURES = (RequestException, HTTPError, HTTPException, OSError)

_CONNECT = {
    ConnectionRefusedError: "connection refused",
    TimeoutError: "connection timed out",
    gaierror: "host name lookup failed",
    UnicodeError: "invalid host name",
    ssl.SSLCertVerificationError: "TLS certificate verification failed",
    ssl.SSLError: "TLS handshake failed",
}
_EXCHANGE = {
    RemoteDisconnected: "connection closed without a response",
    ConnectionError: "connection reset",
    IncompleteRead: "connection closed before the full response",
}


class ExchangeError(Exception):
    """An exchange without a complete response."""


class ConnectError(ExchangeError):
    """No connection was made, so nothing was sent."""


class RefusedAddressError(ConnectError):
    """The host has no address to which connections are allowed."""


class BrokenExchangeError(ExchangeError):
    """The connection broke or timed out, or the response is not HTTP. The request may have reached the server."""


class UnusableBodyError(ExchangeError):
    """The body is larger than allowed, or is compressed in a way that cannot be read."""


class TooManyBytesError(OSError):
    """More bytes arrived than the exchange allows."""


def connect_error(error: Exception) -> ConnectError:
    """Return the error of a connection that could not be made."""
    if isinstance(error, ConnectError):
        return error
    return ConnectError(_text(_CONNECT, error) or f"could not connect ({type(error).__name__})")


def broken_exchange(error: Exception) -> BrokenExchangeError:
    """Return the error of an exchange that failed after the connection was made."""
    if isinstance(error, ReadTimeout | ReadTimeoutError):
        return BrokenExchangeError("timed out before the full response")
    cause = innermost(error)
    kind = "connection broken" if isinstance(cause, OSError) else "invalid HTTP response"
    return BrokenExchangeError(_text(_EXCHANGE, cause) or f"{kind} ({type(cause).__name__})")


def innermost(error: BaseException) -> BaseException:
    """Return the innermost error of a chain."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return error


def _text(texts: dict[type[Exception], str], error: BaseException) -> str | None:
    return next((text for kind, text in texts.items() if isinstance(error, kind)), None)
