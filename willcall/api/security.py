"""Access to the API: bearer keys or, without any keys, requests from this machine."""

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from willcall.api.problems import ProblemError, ProblemType
from willcall.api.rejected_keys import KeyKind, RejectedKeys
from willcall.config.settings import ApiSettings
from willcall.orders.history import Actor

log = structlog.get_logger(__name__)

bearer = HTTPBearer(
    auto_error=False, scheme_name="key", description="One of `api.keys`, or a client's key for its own orders."
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]

#: `Host` headers that name this machine. No others are accepted, because of DNS rebinding.
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
#: Headers that proxies add.
_PROXY_HEADER = re.compile(
    r"(x-)?forwarded(-.*)?|via|cf-.*|cdn-.*|x-original-.*|x-envoy-.*|x-(azure|appengine|amzn?|vercel)-.*"
    r"|.*(client|real|remote|cluster|originating|user|connecting)-?(ip|addr|address)|x-proxy.*|.*proxy-client.*",
    re.IGNORECASE,
)


class Keys:
    """Digests of the configured keys."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._digests = [sha256(key.get_secret_value().encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, key: str) -> bool:
        """Compare a key with all keys, in constant time."""
        digest = sha256(key.encode()).digest()
        matches = [compare_digest(digest, known) for known in self._digests]  # all of them, in any case
        return any(matches)


class Role(StrEnum):
    """What the owner of a key may do: a client has orders of its own, a backend sees all, an operator runs Willcall."""

    BACKEND = "backend"
    CLIENT = "client"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a request comes from.

    `client`: the client whose orders it sees and changes, `None` for all orders. `operator`: the operator's name, if
    the key has one.
    """

    role: Role
    client: str | None = None
    operator: str | None = None

    @property
    def actor(self) -> Actor:
        """Who acts, in histories."""
        match self.role:
            case Role.OPERATOR:
                return Actor(f"operator {self.operator}" if self.operator else "an operator")
            case Role.CLIENT:
                return Actor(f"client {self.client}", is_operator=False)
        return Actor("the backend", is_operator=False)


BACKEND = Principal(Role.BACKEND)


class Access:
    """The configured keys, and whose they are."""

    def __init__(self, settings: ApiSettings) -> None:
        clients = {Principal(Role.CLIENT, name): client.keys for name, client in settings.clients.items()}
        named = settings.operator_keys_by_name.items()
        operators = {Principal(Role.OPERATOR, operator=name): some for name, some in named}
        keys = {BACKEND: settings.keys, **operators, **clients}
        self._keys = {principal: Keys(some) for principal, some in keys.items() if some}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def identify(self, key: str) -> Principal | None:
        """Return whose key it is, in constant time."""
        found = [principal for principal, keys in self._keys.items() if keys.accept(key)]
        return found[0] if found else None


def require(*roles: Role) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a dependency that requires a key of one of these roles; without any keys, a request from this machine.

    It raises ApiError, and sets `request.state.principal`, without which no order is served.
    """

    async def check(request: Request, credentials: Credentials) -> None:
        access: Access = request.app.state.access
        principal = await _identify(request, access, credentials)
        if access and principal.role not in roles:
            raise ProblemError(ProblemType.FORBIDDEN, f"this call is not for the key of {_KINDS[principal.role]}")
        request.state.principal, request.state.actor = principal, principal.actor

    return check


async def get_principal(request: Request) -> Principal:
    return request.state.principal  # type: ignore[no-any-return]


async def get_actor(request: Request) -> Actor:
    """Return who acts: on the board it says so (see `board.routes`)."""
    return request.state.actor  # type: ignore[no-any-return]


PrincipalDep = Annotated[Principal, Depends(get_principal)]
ActorDep = Annotated[Actor, Depends(get_actor)]

_KINDS = {Role.BACKEND: "a backend", Role.CLIENT: "a client", Role.OPERATOR: "an operator"}


class DocumentationGuard:
    """Serves the documentation to everybody if keys are configured, otherwise to this machine only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and f"{scope['path']}/".startswith(("/docs/", "/openapi.json/")):
            request = Request(scope)
            try:
                if not request.app.state.access:
                    _require_this_machine(request)
            except ProblemError as refused:
                await refused.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_from_this_machine(request: Request) -> bool:
    """Return whether a request was sent on this machine, to it by name, through no proxy."""
    client = request.client
    return (
        client is not None
        and _is_loopback(client.host)
        and is_addressed_to_loopback(request)
        and not any(_PROXY_HEADER.fullmatch(name) for name in request.headers)
    )


def is_addressed_to_loopback(request: Request) -> bool:
    """Return whether a request is addressed to a loopback name, which browsers trust like https."""
    return is_loopback_host(request.headers.get("host", ""))


def is_loopback_host(header: str) -> bool:
    """Return whether a `Host` header has a loopback name or address."""
    return _LOOPBACK_HOST.fullmatch(header) is not None


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


async def reject_key(request: Request, kind: KeyKind) -> bool:
    """Count a wrong key. Returns whether to log it; if there were too many to log, waits before it returns."""
    rejected_keys: RejectedKeys = request.app.state.rejected_keys
    if rejected_keys.record(kind, client_address(request)):
        return True
    request.scope["slot"].leave()
    await rejected_keys.delay(kind, client_address(request))
    return False


def client_address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _identify(request: Request, access: Access, credentials: HTTPAuthorizationCredentials | None) -> Principal:
    if not access:
        _require_this_machine(request)
        return BACKEND
    several = len(request.headers.getlist("Authorization")) > 1  # of which a proxy may change the order
    principal = access.identify(credentials.credentials) if credentials and not several else None
    if principal is None:
        if credentials and await reject_key(request, KeyKind.API):
            log.warning("key rejected", client=client_address(request))
        what = "only one key is accepted" if several else "the key is not valid" if credentials else "a key is required"
        raise ProblemError(
            ProblemType.UNAUTHORIZED,
            f"{what}; send Authorization: Bearer <key>",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return principal


def _require_this_machine(request: Request) -> None:
    """Reject web pages of other origins too: they could make a browser on this machine send requests."""
    origin = request.headers.get("origin")
    if not is_from_this_machine(request) or origin not in {None, f"http://{request.headers['host']}"}:
        raise ProblemError(
            ProblemType.FORBIDDEN,
            "without API keys, only requests to localhost from this machine are served, not from a proxy or web page",
        )
