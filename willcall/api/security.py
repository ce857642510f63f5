"""Access to the API: bearer keys or, without any keys, requests from this machine."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from willcall.api.problems import ProblemError, ProblemType
from willcall.config.settings import ApiSettings

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="One of `api.keys`.")
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


@dataclass(frozen=True, slots=True)
class Access:
    """The configured keys: those of backends, those of operators, and both."""

    backends: Keys
    operators: Keys
    any: Keys

    @classmethod
    def of(cls, settings: ApiSettings) -> "Access":
        operators = settings.all_operator_keys
        return cls(Keys(settings.keys), Keys(operators), Keys((*settings.keys, *operators)))


async def require_key(request: Request, credentials: Credentials) -> None:
    """Require a backend's key; without any keys, a request from this machine. Raises ApiError."""
    access: Access = request.app.state.access
    _require(request, access, access.backends, credentials)


async def require_any_key(request: Request, credentials: Credentials) -> None:
    """Require a backend's or an operator's key. Raises ApiError."""
    access: Access = request.app.state.access
    _require(request, access, access.any, credentials)


async def require_operator_key(request: Request, credentials: Credentials) -> None:
    """Require an operator's key; without any keys, a request from this machine. Raises ApiError."""
    access: Access = request.app.state.access
    _require(request, access, access.operators, credentials)


class DocumentationGuard:
    """Serves the documentation to everybody if keys are configured, otherwise to this machine only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and f"{scope['path']}/".startswith(("/docs/", "/openapi.json/")):
            request = Request(scope)
            try:
                if not request.app.state.access.any:
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
    return _LOOPBACK_HOST.fullmatch(request.headers.get("host", "")) is not None


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _require(request: Request, access: Access, keys: Keys, credentials: HTTPAuthorizationCredentials | None) -> None:
    if not access.any:
        _require_this_machine(request)
    elif credentials is None or not keys.accept(credentials.credentials):
        what = "a key is required" if credentials is None else "the key is not valid"
        raise ProblemError(
            ProblemType.UNAUTHORIZED,
            f"{what}; send Authorization: Bearer <key>",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _require_this_machine(request: Request) -> None:
    """Reject web pages of other origins too: they could make a browser on this machine send requests."""
    origin = request.headers.get("origin")
    if not is_from_this_machine(request) or origin not in {None, f"http://{request.headers['host']}"}:
        raise ProblemError(
            ProblemType.FORBIDDEN,
            "without API keys, only requests to localhost from this machine are served, not from a proxy or web page",
        )
