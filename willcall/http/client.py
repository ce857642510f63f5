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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
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
from willcall.http.routes import DIRECT, Authorities, Route
from willcall.http.tunnels import proxy_refusal

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
        #: By route. Routes are from the configuration, so there are few.
        self._adapters: dict[Route, BoundedAdapter] = {}
        self._lock = Lock()
        self._headers = {"User-Agent": user_agent(), "Accept": accept, "Accept-Encoding": accept_encoding}
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_drop)

    def budget(self, limits: HttpLimits) -> Budget:
        """Return the budget of a call that begins now, for one exchange or several."""
        return Budget.of(limits, self._guard.admits if self._guard else None)

    @contextmanager
    def send(
        self, request: Request, limits: HttpLimits, budget: Budget, route: Route = DIRECT
    ) -> Iterator[IncomingResponse]:
        """Send a request, and read the status and the headers of its response.

        Raises ConnectError and BrokenExchangeError; ValueError for a request that cannot be sent, which is a bug.
        """
        prepared = self._prepare(request)
        BUDGET.set(budget)
        budget.connect_error = None
        try:
            timeouts = limits.connect_timeout, limits.read_timeout
            response = self._adapter(route).send(prepared, stream=True, timeout=timeouts)
        except FAILURES as error:
            raise _exchange_error(error, budget) from error
        try:
            forwarded = route.proxy is not None and urlsplit(request.url).scheme == "http"
            if forwarded and response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                raise proxy_refusal(response.status_code)
            yield IncomingResponse(response.raw)
        finally:
            response.close()

    def check_connection(self, url: str, limits: HttpLimits, route: Route = DIRECT) -> None:
        """Connect to the host of a URL, by TLS for https, and send nothing. Raises ConnectError."""
        budget, parts = self.budget(limits), urlsplit(url)
        BUDGET.set(budget)
        host, timeout = parts.hostname or "", limits.connect_timeout
        kind = BoundedTlsConnection if parts.scheme == "https" else BoundedConnection
        connection = kind(host, parts.port, timeout=timeout, tls=_tls(route), route_proxy=route.proxy)
        try:
            connection.connect()
        except FAILURES as error:
            raise _exchange_error(error, budget) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Close all idle connections; one in use is closed when its exchange ends."""
        for adapter in list(self._adapters.values()):
            adapter.close()

    def _adapter(self, route: Route) -> BoundedAdapter:
        with self._lock:
            if route not in self._adapters:
                self._adapters[route] = BoundedAdapter(_tls(route), route.proxy, _HOSTS, _CONNECTIONS)
            return self._adapters[route]

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
def tls_context(authorities: Authorities | None = None) -> ssl.SSLContext:
    """Return the shared TLS context; loading the certificates that requests trusts takes 30 ms."""
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if authorities:
        context.load_verify_locations(cadata=authorities.pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _tls(route: Route) -> Callable[[], ssl.SSLContext]:
    return partial(tls_context, route.authorities) if route.authorities else tls_context


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
