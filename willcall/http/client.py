"""Send one HTTP request and read its response, within limits.

Differences from the defaults of the library requests:

- The environment is ignored: no proxies, netrc or certificate bundles from variables. No cookies are stored.
- Redirects are not followed, so headers go only to the intended host (see `outbound.py` for URLs from outside).
- Time and bytes of the whole exchange are limited (see `connections.py`), bytes before and after decompression.
- Nothing is sent twice: a request that may have reached the server counts as sent. A connection that the server has
  closed, or that was idle for long, is not reused, so few requests meet one that closes at that moment.
"""

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import quote, urlencode, urlsplit

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.response import BaseHTTPResponse

from willcall.http.address_guard import AddressGuard
from willcall.http.body import read_chunks
from willcall.http.connections import BUDGET, BoundedAdapter, BoundedConnection, BoundedTlsConnection, Budget
from willcall.http.errors import FAILURES, broken_exchange, connect_error
from willcall.http.messages import HttpLimits, Request

_RETRY_AFTER = "retry-after"
#: Hosts whose connections are pooled, and connections per host: as many as a worker has threads.
_HOSTS, _CONNECTIONS = 256, 64
#: Headers are Latin-1; a server may set such a cookie.
_LAST_LATIN_1 = "\xff"
#: Loggers of urllib3 that log URLs, which contain order keys.
_LOGGERS = ("urllib3.connection", "urllib3.connectionpool", "urllib3.response", "urllib3.util.retry")


class IncomingResponse:
    """A response whose body has not been read yet. Header names are in lower case."""

    def __init__(self, raw: BaseHTTPResponse) -> None:
        self._raw = raw
        self.status = raw.status
        self.headers = _read_headers(raw)

    @property
    def set_cookies(self) -> list[str]:
        """The lines of `Set-Cookie`."""
        return self._raw.headers.getlist("set-cookie")

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        """Read the body without its codings, at most `max_bytes`. Raises BrokenExchangeError, UnusableBodyError."""
        return read_chunks(self._raw, max_bytes)


class HttpClient:
    """Sends requests over pooled connections. Threads may share it.

    `accept` and `accept_encoding` are sent with each request that does not set them itself. `guard` decides which
    addresses connections may use; `None` allows all.
    """

    def __init__(self, *, accept: str, accept_encoding: str, guard: AddressGuard | None = None) -> None:
        self._guard = guard
        self._adapter = BoundedAdapter(tls_context, _HOSTS, _CONNECTIONS)
        self._headers = {"User-Agent": user_agent(), "Accept": accept, "Accept-Encoding": accept_encoding}
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_drop)

    def budget(self, limits: HttpLimits) -> Budget:
        """Return the budget of a call that begins now, for one exchange or several."""
        return Budget.of(limits, self._guard.admits if self._guard else None)

    @contextmanager
    def send(self, request: Request, limits: HttpLimits, budget: Budget) -> Iterator[IncomingResponse]:
        """Send a request, and read the status and the headers of its response.

        Raises ConnectError and BrokenExchangeError; ValueError for a request that cannot be sent, which is a bug.
        """
        prepared = self._prepare(request)
        BUDGET.set(budget)
        budget.connect_error = None
        try:
            response = self._adapter.send(prepared, stream=True, timeout=(limits.connect_timeout, limits.read_timeout))
        except FAILURES as error:
            raise _exchange_error(error, budget) from error
        try:
            yield IncomingResponse(response.raw)
        finally:
            response.close()

    def check_connection(self, url: str, limits: HttpLimits) -> None:
        """Connect to the host of a URL, by TLS for https, and send nothing. Raises ConnectError."""
        budget, parts = self.budget(limits), urlsplit(url)
        BUDGET.set(budget)
        host, timeout = parts.hostname or "", limits.connect_timeout
        connection: BoundedConnection
        if parts.scheme == "https":
            connection = BoundedTlsConnection(host, parts.port or 443, timeout=timeout, ssl_context=tls_context())
        else:
            connection = BoundedConnection(host, parts.port or 80, timeout=timeout)
        try:
            connection.connect()
        except FAILURES as error:
            raise _exchange_error(error, budget) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close all idle connections; one in use is closed when its exchange ends."""
        self._adapter.close()

    def _prepare(self, request: Request) -> PreparedRequest:
        """Return the prepared request, without what a session would add from the environment."""
        prepared = PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        if request.params:
            prepared.url += "?" + urlencode(request.params, quote_via=quote, safe="")
        prepared.headers = CaseInsensitiveDict(self._headers)
        prepared.headers.update(request.headers)
        prepared.body = request.body
        if request.form is not None:
            prepared.body = urlencode(request.form).encode()
            prepared.headers["Content-Type"] = "application/x-www-form-urlencoded"
        if prepared.body is not None:
            prepared.headers["Content-Length"] = str(len(prepared.body))
        _check_headers(prepared.headers)
        return prepared


@cache
def tls_context() -> ssl.SSLContext:
    """Return the shared TLS context; loading the certificates that requests trusts takes 30 ms."""
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


@cache
def user_agent() -> str:
    """Return the `User-Agent` that names us; some providers require one."""
    try:
        return f"Willcall/{version('willcall')} (ticket fulfilment)"
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "Willcall/0 (ticket fulfilment)"


def _exchange_error(error: Exception, budget: Budget) -> Exception:
    return connect_error(budget.connect_error) if budget.connect_error else broken_exchange(error)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not value.isprintable() or max(value, default="") > _LAST_LATIN_1:
            raise ValueError(f"the value of the header {name} cannot be sent")


def _read_headers(raw: BaseHTTPResponse) -> dict[str, str]:
    """Return the first line of each header, but all lines of `Retry-After`.

    `Retry-After` is not a list, but proxies add a line of their own; the longest wait counts (see `read_retry_after`).
    """
    headers: dict[str, str] = {}
    for name, value in raw.headers.items():
        headers.setdefault(name.lower(), value)
    if _RETRY_AFTER in headers:
        headers[_RETRY_AFTER] = ", ".join(raw.headers.getlist(_RETRY_AFTER))
    return headers


def _drop(_: logging.LogRecord) -> bool:
    return False
