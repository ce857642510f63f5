"""The one place that talks HTTP to providers: one request in, one answer or the outcome of having none out.

What stands between requests' defaults and a provider here:

- no environment: no proxies, no netrc, no certificate bundles from variables; no cookies kept;
- no redirect is followed, so credentials go to the configured host alone;
- time is bounded as a whole (see `connections.py`), and so are the bytes, before and after unpacking;
- nothing is sent twice: a request that may have reached the provider counts as one, whatever became of it.
  That a server hangs up on an idle connection just as we use it is made rare: one that was hung up on is
  noticed before it is used, one idle for long is not used at all.
"""

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from urllib.parse import quote, urlencode

from requests import PreparedRequest
from requests import Response as StreamedResponse
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.response import BaseHTTPResponse

from willcall.http.bodies import FAILURES, BrokenBodyError, UnusableBodyError, read_chunks, reason
from willcall.http.connections import ALLOWANCE, POOL_CLASSES, Allowance
from willcall.http.headers import read_headers, user_agent
from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.orders.retry_after import retry_after_of
from willcall.providers.base import Account
from willcall.providers.implausible_hints import ImplausibleHints

_OK = 200
#: Wire bytes that an answer may have beyond twice its `max_bytes`: headers and the frames of its chunks.
_OVERHEAD = 1_048_576
#: Connections kept per account and host: as many as a worker has threads.
_CONNECTIONS = 64
#: Accounts whose connections are kept; beyond, those opened first are closed.
_ACCOUNTS = 256

#: Loggers of urllib3 that write URLs, in which order keys stand.
_CHATTY = ("urllib3.connection", "urllib3.connectionpool", "urllib3.response", "urllib3.util.retry")


class ProviderTransport:
    """Sends requests and brings back answers, for any number of threads.

    `clock` gives epoch seconds for `Answer.received_at`.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._pools: dict[str, _Pools] = {}
        self._hints = ImplausibleHints()
        self._tls = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
        self._headers = {
            "User-Agent": user_agent(),
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        for name in _CHATTY:
            logging.getLogger(name).addFilter(_drop)

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:
        """The provider's answer, or the outcome of not getting a whole one.

        Raises ValueError only for a request that cannot be sent at all: our own mistake.
        """
        limits = account.http
        allowance = Allowance(
            deadline=time.monotonic() + limits.total_timeout,
            read_timeout=limits.read_timeout,
            wire_bytes=2 * limits.max_bytes + _OVERHEAD,
        )
        ALLOWANCE.set(allowance)
        prepared = self._prepare(request)
        try:
            response = self._pools_of(account.key).send(
                prepared, stream=True, timeout=(limits.connect_timeout, limits.read_timeout)
            )
        except FAILURES as error:
            if allowance.refusal:
                return Unavailable(reached=False, detail=f"could not connect: {allowance.refusal}")
            return Unavailable(detail=reason(error))
        try:
            return self._read(response.raw, account)
        finally:
            response.close()

    def close(self) -> None:
        """Closes all idle connections; one in use is closed when its exchange ends."""
        with self._lock:
            for pools in self._pools.values():
                pools.close()
            self._pools.clear()

    def _prepare(self, request: Request) -> PreparedRequest:
        """The request as requests sends it, without what a session would look up for it."""
        prepared = PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        if request.params:
            prepared.url += "?" + urlencode(request.params, quote_via=quote, safe="")
        prepared.headers = CaseInsensitiveDict(self._headers)
        prepared.headers.update(request.headers)
        if request.form is not None:
            prepared.body = urlencode(request.form).encode()
            prepared.headers["Content-Type"] = "application/x-www-form-urlencoded"
            prepared.headers["Content-Length"] = str(len(prepared.body))
        for name, value in prepared.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the value of the header {name} cannot be sent")
        return prepared

    def _pools_of(self, account: str) -> "_Pools":
        with self._lock:
            pools = self._pools.get(account)
            if pools is None:
                if len(self._pools) >= _ACCOUNTS:
                    self._pools.pop(next(iter(self._pools))).close()
                pools = self._pools[account] = _Pools(self._tls)
            return pools

    def _read(self, raw: BaseHTTPResponse, account: Account) -> Response | Unavailable | Malformed:
        """The whole answer; any but a 200 speaks by its status and hints, even if its body is unreadable."""
        headers = read_headers(raw)
        body = _read_body(raw, account.http.max_bytes)
        now = self._clock()
        hint = retry_after_of(headers, now)
        if hint:
            self._hints.note(account.key, hint, now)
        if isinstance(body, bytes):
            return Response(raw.status, headers, body, received_at=now)
        if raw.status != _OK:
            return Response(raw.status, headers, b"", received_at=now)
        return replace(body, retry_after=hint.seconds if hint else None)


class _Pools(HTTPAdapter):
    """The connections of one account, one pool per host."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._by_origin: dict[tuple[str, str], HTTPConnectionPool] = {}
        super().__init__(pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: object) -> None:  # noqa: FBT001, FBT002 - the base's
        """Pools whose connections are bounded, all with the one TLS context."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **more)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def get_connection_with_tls_context(self, request: PreparedRequest, *_: object, **__: object) -> HTTPConnectionPool:
        """The pool of the request's host; the base looks for proxies and makes up a key for each request."""
        url = request.url or ""
        scheme, _slashes, rest = url.partition("://")
        origin = scheme, rest.partition("/")[0]
        pool = self._by_origin.get(origin)
        if pool is None:
            pool = self._by_origin[origin] = self.poolmanager.connection_from_url(url)
        return pool

    def request_url(self, request: PreparedRequest, proxies: object) -> str:  # noqa: ARG002 - the base's
        """The path and query: there is no proxy."""
        return request.path_url

    def cert_verify(self, *_: object, **__: object) -> None:
        """Nothing: the context verifies, and has its certificates loaded once instead of per connection."""

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> StreamedResponse:  # noqa: ARG002 - the base's
        """A response that is no more than its bytes: no cookies, no encoding."""
        response = StreamedResponse()
        response.raw = resp
        return response


def _read_body(raw: BaseHTTPResponse, max_bytes: int) -> bytes | Unavailable | Malformed:
    """The decoded body, never more than `max_bytes` and one chunk of it in memory."""
    body = bytearray()
    try:
        for chunk in read_chunks(raw, max_bytes):
            body += chunk
    except UnusableBodyError as error:
        return Malformed(detail=str(error))
    except BrokenBodyError as error:
        return Unavailable(detail=str(error))
    return bytes(body)


def _drop(_: logging.LogRecord) -> bool:
    return False
