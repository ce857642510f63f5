"""Who may ask: callers with a bearer key; where no key is configured, this machine alone."""

import re
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from willcall.api.problems import ApiError, ProblemType

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="One of `api.keys`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]

#: What a request says whose `Host` is this machine, so that no other name leads a browser here (DNS rebinding).
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
#: What proxies add to requests that came from elsewhere.
_FORWARDED = re.compile(
    r"(x-)?forwarded(-.*)?|via|cf-.*|cdn-.*|x-original-.*|x-envoy-.*|x-(azure|appengine|amzn?|vercel)-.*"
    r"|.*(client|real|remote|cluster|originating|user|connecting)-?(ip|addr|address)|x-proxy.*|.*proxy-client.*",
    re.IGNORECASE,
)


class Keys:
    """The configured keys, as digests of equal length."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._digests = [sha256(key.get_secret_value().encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def accept(self, key: str) -> bool:
        """Whether it is one of ours; takes the same time whichever it is, and wherever it differs."""
        digest = sha256(key.encode()).digest()
        return any([compare_digest(digest, known) for known in self._digests])  # noqa: C419 - all are compared


async def require_key(request: Request, credentials: Credentials) -> None:
    """Let the request pass with a backend's key; where there are no keys at all, from this machine. Raises ApiError."""
    _require(request, request.app.state.keys, credentials)


async def require_any_key(request: Request, credentials: Credentials) -> None:
    """The same, with an operator's key as well. Raises ApiError."""
    _require(request, request.app.state.all_keys, credentials)


class DocumentationGuard:
    """Shows the documentation where there are keys to everybody, for it holds no data; else to this machine alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(("/docs/", "/openapi.json/")):
            request = Request(scope)
            try:
                if not request.app.state.all_keys:
                    _require_this_machine(request)
            except ApiError as refused:
                await refused.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


def of_this_machine(request: Request) -> bool:
    """Whether a request was made on this machine, to it by name, and came through no proxy."""
    client = request.client
    return (
        client is not None
        and _is_loopback(client.host)
        and named_as_this_machine(request)
        and not any(_FORWARDED.fullmatch(name) for name in request.headers)
    )


def named_as_this_machine(request: Request) -> bool:
    """Whether a request is addressed to a loopback name; browsers trust that as they trust https."""
    return _THIS_MACHINE.fullmatch(request.headers.get("host", "")) is not None


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _require(request: Request, keys: Keys, credentials: HTTPAuthorizationCredentials | None) -> None:
    if not request.app.state.all_keys:
        _require_this_machine(request)
    elif credentials is None or not keys.accept(credentials.credentials):
        what = "a key is needed" if credentials is None else "this is no key of ours"
        raise ApiError(
            ProblemType.UNAUTHORIZED, f"{what}: Authorization: Bearer <key>", headers={"WWW-Authenticate": "Bearer"}
        )


def _require_this_machine(request: Request) -> None:
    """Raise ApiError also for web pages: a browser on this machine must not be made to ask by a page of another's."""
    origin = request.headers.get("origin")
    if not of_this_machine(request) or origin not in {None, f"http://{request.headers['host']}"}:
        raise ApiError(
            ProblemType.FORBIDDEN,
            "without keys only requests of this machine to localhost are served, none of a proxy or of a web page",
        )
