"""Requests to addresses that came from outside: bounded like those to providers, and guarded against our own network.

- The guard is asked about the URL, and about the very address that is connected to, for every redirect anew.
- Headers that the caller adds go to the first URL's origin alone, whatever redirects say.
- Cookies that servers set on the way are kept for that one call, and go to the servers that set them.
- No environment (proxies, netrc); https is verified, and no redirect leads from it to http; nothing is sent twice.
- Time and bytes are bounded over all redirects together.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import PoolManager
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from willcall.http.address_guard import NOT_PUBLIC, AddressGuard
from willcall.http.bodies import FAILURES, BrokenBodyError, UnusableBodyError, read_chunks, reason
from willcall.http.connections import ALLOWANCE, POOL_CLASSES, Allowance, RefusedAddressError
from willcall.http.cookies import Cookies
from willcall.http.headers import read_headers, user_agent
from willcall.http.messages import HttpLimits as Limits
from willcall.http.urls import RedirectError, escape, origin, redirect_target
from willcall.orders.retry_after import retry_seconds

__all__ = ["WITH_BODY", "Limits", "OutboundClient", "Reply", "RequestFailure"]

#: Redirects that are followed, one after another.
REDIRECTS = 10
_REDIRECTING = {301, 302, 303, 307, 308}
#: Statuses that come with what was asked for.
WITH_BODY = frozenset({200, 201, 203})
#: Wire bytes that a reply may have beyond twice its `max_bytes`: headers and the frames of its chunks.
_OVERHEAD = 1_048_576
#: Hosts whose connections are kept, and how many of each.
_HOSTS, _CONNECTIONS = 64, 16


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Why there is no reply, without the URL or anything secret.

    `permanent`: the guard refuses it, and will until the configuration or the host's name says otherwise.
    `astray`: the host answers, but its redirects lead nowhere.
    """

    why: str
    permanent: bool = False
    astray: bool = False


class OutboundClient:
    """Sends such requests, for any number of threads."""

    def __init__(self, guard: AddressGuard, clock: Callable[[], float] = time.time) -> None:
        """`guard` says where they may go, `clock` gives epoch seconds for hints that are dates."""
        self._clock = clock
        context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
        self._guarded = _Way(guard, _pools(context))
        self._trusted = _Way(AddressGuard(["0.0.0.0/0", "::/0"]), _pools(context))
        self._headers = {"User-Agent": user_agent(), "Accept": "*/*", "Accept-Encoding": "identity"}

    def get(
        self,
        url: str,
        limits: Limits,
        headers: Mapping[str, str] | None = None,
        into: IO[bytes] | None = None,
        *,
        waited: bool = False,
        permit: Callable[[str], bool] = lambda _: True,
    ) -> Reply | RequestFailure:
        """What is at a URL, behind ten redirects at most. A body of what was asked for goes to `into`, where given.

        A redirect with `Retry-After` is a reply like any other, unless the caller has `waited` since it first came.
        `permit` is asked before each request, with its URL.
        """
        wanted = _Wanted("GET", limits, self._guarded, into=into)
        url = first = escape(url)
        seen: set[tuple[str, str | None]] = set()
        for _ in range(REDIRECTS + 1):
            cookies = wanted.cookies.header(url)
            if (url, cookies) in seen:
                return RequestFailure("redirects lead in a circle", astray=True)
            seen.add((url, cookies))
            if not permit(url):
                return RequestFailure("not permitted by the caller")
            same = url == first or origin(url) == origin(first)
            own = dict(headers) if headers and same else {}
            reply = self._send(url, own | {"Cookie": cookies} if cookies else own, wanted)
            if isinstance(reply, RequestFailure) or reply.status not in _REDIRECTING or "location" not in reply.headers:
                return reply
            if not waited and retry_seconds(reply.headers, self._clock()):
                return reply
            try:
                url = redirect_target(url, reply.headers["location"])
            except RedirectError as error:
                return RequestFailure(str(error), astray=True)
        return RequestFailure(f"more than {REDIRECTS} redirects", astray=True)

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], limits: Limits, *, trusted: bool = False
    ) -> Reply | RequestFailure:
        """Send a body, once. A redirect is a reply like any other; a reply whose body cannot be read has none.

        `trusted`: the URL is the configuration's own, and may lead into our own network.
        """
        way = self._trusted if trusted else self._guarded
        return self._send(escape(url), headers, _Wanted("POST", limits, way, body=body))

    def reach(self, url: str, limits: Limits) -> RequestFailure | None:
        """Connect to where a URL of the configuration leads, by TLS where it says so, and send nothing.

        None where that can be done.
        """
        allowance = self._trusted.allowance(limits)
        ALLOWANCE.set(allowance)
        connection = self._trusted.pools.connection_from_url(escape(url))._new_conn()  # noqa: SLF001 - a pool lends none without a request
        connection.timeout = limits.connect_timeout
        try:
            connection.connect()
        except FAILURES as error:
            return _failure(error, allowance)
        finally:
            connection.close()
        return None

    def close(self) -> None:
        """Closes all idle connections; one in use is closed when its exchange ends."""
        for way in (self._guarded, self._trusted):
            way.pools.clear()

    def _send(self, url: str, headers: Mapping[str, str], wanted: "_Wanted") -> Reply | RequestFailure:
        refusal = wanted.way.guard.refusal(url)
        if refusal:
            return RequestFailure(refusal, permanent=True)
        limits, allowance = wanted.limits, wanted.allowance
        ALLOWANCE.set(allowance)
        try:
            response = wanted.way.pools.urlopen(
                wanted.method,
                url,
                body=wanted.body,
                headers={**self._headers, **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=Timeout(connect=limits.connect_timeout, read=limits.read_timeout),
            )
        except FAILURES as error:
            return _failure(error, allowance)
        try:
            wanted.cookies.receive(url, response.headers.getlist("set-cookie"))
            return _read(response, wanted)
        finally:
            response.close()


@dataclass(frozen=True, slots=True)
class _Way:
    """A guard, and the connections that it has admitted: nothing else may be sent over them."""

    guard: AddressGuard
    pools: PoolManager

    def allowance(self, limits: Limits) -> Allowance:
        """How long one call may take and how much it may bring."""
        return Allowance(
            deadline=time.monotonic() + limits.total_timeout,
            read_timeout=limits.read_timeout,
            wire_bytes=2 * limits.max_bytes + _OVERHEAD,
            admits=self.guard.admits,
        )


class _Wanted:
    """What one call is after, over all its redirects."""

    def __init__(
        self, method: str, limits: Limits, way: _Way, body: bytes | None = None, into: IO[bytes] | None = None
    ) -> None:
        self.method, self.limits, self.way, self.body, self.into = method, limits, way, body, into
        self.allowance = way.allowance(limits)
        self.cookies = Cookies()


def _pools(context: ssl.SSLContext) -> PoolManager:
    pools = PoolManager(_HOSTS, maxsize=_CONNECTIONS, ssl_context=context)
    pools.pool_classes_by_scheme = POOL_CLASSES
    return pools


def _failure(error: Exception, allowance: Allowance) -> RequestFailure:
    if allowance.refusal == RefusedAddressError.__name__:
        return RequestFailure(f"the host's address is {NOT_PUBLIC}", permanent=True)
    return RequestFailure(f"could not connect: {allowance.refusal}" if allowance.refusal else reason(error))


def _read(response: BaseHTTPResponse, wanted: _Wanted) -> Reply | RequestFailure:
    headers = read_headers(response)
    if response.status in _REDIRECTING:
        return Reply(response.status, headers)
    found = wanted.method == "GET" and response.status in WITH_BODY
    body = bytearray()
    try:
        for chunk in read_chunks(response, wanted.limits.max_bytes):
            if found and wanted.into is not None:
                wanted.into.write(chunk)
            else:
                body += chunk
    except (UnusableBodyError, BrokenBodyError) as error:
        if found:
            return RequestFailure(str(error))
        body.clear()  # the others speak by their status and headers
    return Reply(response.status, headers, bytes(body))
