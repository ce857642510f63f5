"""Requests to URLs that came from outside: backends' callback URLs, and the addresses of documents.

They have the same limits as requests to providers, and cannot reach our own network:

- The guard checks each URL, and the address that is actually connected to, again for every redirect.
- The caller says which headers each URL gets, again for every redirect.
- Cookies exist only during the call, and go only to the servers that set them.
- https is verified, and redirects from https to http are not followed.
- The limits of time and bytes apply to all redirects together.
- A proxy gets the address that was checked instead of the name. Allowed private addresses are connected to directly.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from willcall.http.address_guard import NOT_PUBLIC, AddressGuard
from willcall.http.client import HttpClient, IncomingResponse
from willcall.http.connections import Budget
from willcall.http.cookies import Cookies
from willcall.http.errors import ConnectError, ExchangeError, RefusedAddressError
from willcall.http.messages import HttpLimits, Request, Response
from willcall.http.routes import DIRECT, Route
from willcall.http.urls import RedirectError, escape, redirect_target
from willcall.orders.retry_after import retry_after_seconds

#: Most redirects that are followed, one after another.
REDIRECTS = 10
_REDIRECTING = {301, 302, 303, 307, 308}
#: Statuses whose body is the requested one.
WITH_BODY = frozenset({200, 201, 203})


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Why there is no response. `why` contains no URL and no secret.

    `refused`: the guard refuses it, until the configuration or the host's address changes.
    `bad_redirect`: the host responds, but its redirects lead nowhere.
    """

    why: str
    refused: bool = False
    bad_redirect: bool = False


class OutboundClient:
    """Sends such requests. Threads may share it."""

    def __init__(self, guard: AddressGuard, clock: Callable[[], float] = time.time, *, route: Route = DIRECT) -> None:
        """`guard` decides where they may go; `clock` gives epoch seconds for `Response.received_at`."""
        self._clock = clock
        self._route = route
        self._guarded = _channel(guard)
        self._trusted = _channel(AddressGuard(["0.0.0.0/0", "::/0"]))
        #: For hosts of the configuration behind a proxy, which resolves their names.
        self._by_name = _http_client(None)

    def refusal(self, url: str) -> str | None:
        """Return why requests to a URL will be refused, as far as that is known before its host is resolved."""
        return self._guarded.guard.refusal_in_advance(escape(url))

    def get(
        self,
        url: str,
        limits: HttpLimits,
        headers: Callable[[str], Mapping[str, str]] = lambda _: {},
        into: IO[bytes] | None = None,
        *,
        follow_delayed: bool = False,
        may_send: Callable[[str], bool] = lambda _: True,
        own_route: Callable[[str], Route | None] = lambda _: None,
    ) -> Response | RequestFailure:
        """Fetch a URL, through ten redirects at most.

        `headers` returns those of the request for a URL. With `into`, the body is written there. A redirect with
        `Retry-After` is followed only with `follow_delayed`; otherwise it is the response. `may_send` is called before
        each request, with its URL. `own_route` returns the route of a URL below an address of the configuration, if it
        has one.
        """
        call = _Call(self._guarded, limits, self._guarded.client.budget(limits), Cookies(), into, own_route)
        url = escape(url)
        seen: set[tuple[str, str | None]] = set()
        for _ in range(REDIRECTS + 1):
            cookies = call.cookies.header(url)
            if (url, cookies) in seen:
                return RequestFailure("redirect loop", bad_redirect=True)
            seen.add((url, cookies))
            if not may_send(url):
                return RequestFailure("not permitted by the caller")
            own = headers(url)
            request = Request("GET", url, headers={**own, "Cookie": cookies} if cookies else own)
            response = self._send(request, call)
            if not isinstance(response, Response) or not _is_followed(response, follow_delayed=follow_delayed):
                return response
            try:
                url = redirect_target(url, response.headers["location"])
            except RedirectError as error:
                return RequestFailure(str(error), bad_redirect=True)
        return RequestFailure(f"more than {REDIRECTS} redirects", bad_redirect=True)

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], limits: HttpLimits, *, trusted: bool = False
    ) -> Response | RequestFailure:
        """Send a body, once. Redirects are not followed, and a body that cannot be read is left out.

        `trusted`: the URL is from the configuration, and may lead into our own network.
        """
        channel = self._trusted if trusted else self._guarded
        call = _Call(channel, limits, channel.client.budget(limits), Cookies())
        return self._send(Request("POST", escape(url), headers=headers, body=body), call)

    def check_connection(self, url: str, limits: HttpLimits) -> RequestFailure | None:
        """Connect to the host of a URL of the configuration, by TLS for https, and send nothing."""
        try:
            self._trusted.client.check_connection(escape(url), limits, self._route)
        except ConnectError as error:
            return RequestFailure(str(error))
        return None

    def close(self) -> None:
        """Close all idle connections; one in use is closed when its exchange ends."""
        self._guarded.client.close()
        self._trusted.client.close()
        self._by_name.close()

    def _send(self, request: Request, call: "_Call") -> Response | RequestFailure:
        refusal = call.channel.guard.refusal(request.url)
        if refusal:
            return RequestFailure(refusal, refused=True)
        own = call.own_route(request.url)
        by_name = own is not None and own.proxy is not None
        client = self._by_name if by_name else call.channel.client
        call.budget.admits = None if by_name else call.channel.guard.admits
        try:
            with client.send(request, call.limits, call.budget, own or self._route) as incoming:
                call.cookies.receive(request.url, incoming.set_cookies)
                body = _read_body(request, incoming, call)
                return Response(incoming.status, incoming.headers, body, self._clock())
        except RefusedAddressError:
            return RequestFailure(f"the host's address is {NOT_PUBLIC}", refused=True)
        except ExchangeError as error:
            return RequestFailure(str(error))


@dataclass(frozen=True, slots=True)
class _Channel:
    """A guard, and the connections that it has allowed: other requests must not use them."""

    guard: AddressGuard
    client: HttpClient


def _channel(guard: AddressGuard) -> _Channel:
    return _Channel(guard, _http_client(guard))


def _http_client(guard: AddressGuard | None) -> HttpClient:
    return HttpClient(guard=guard, accept="*/*", accept_encoding="identity")


@dataclass(frozen=True, slots=True)
class _Call:
    """The state that all exchanges of one call share."""

    channel: _Channel
    limits: HttpLimits
    budget: Budget
    cookies: Cookies
    into: IO[bytes] | None = None
    own_route: Callable[[str], Route | None] = lambda _: None


def _is_followed(response: Response, *, follow_delayed: bool) -> bool:
    if response.status not in _REDIRECTING or "location" not in response.headers:
        return False
    return follow_delayed or not retry_after_seconds(response.headers, response.received_at)


def _read_body(request: Request, incoming: IncomingResponse, call: _Call) -> bytes:
    """Return the body. That of a success goes to `into`; of other responses only status and headers matter."""
    if incoming.status in _REDIRECTING:
        return b""
    found = request.method == "GET" and incoming.status in WITH_BODY
    body = bytearray()
    try:
        for chunk in incoming.chunks(call.limits.max_bytes):
            if found and call.into is not None:
                call.into.write(chunk)
            else:
                body += chunk
    except ExchangeError:
        if found:
            raise
        return b""
    return bytes(body)
