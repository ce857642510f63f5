"""Who may ask: callers with a bearer key; where no key is configured, this machine alone."""

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from api.problems import ApiError, Kind

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="One of `api.keys`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]

#: The names by which a machine calls itself.
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}


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
    """Let the request pass if it may. Raises ApiError."""
    _require(request.app.state.keys, request, credentials)


async def require_any_key(request: Request, credentials: Credentials) -> None:
    """The same, also with an operator's key. Raises ApiError."""
    _require(request.app.state.all_keys, request, credentials)


async def require_any_key_beyond_loopback(request: Request, credentials: Credentials) -> None:
    """The same, or an operator's, from elsewhere, also through a proxy on this machine; else anybody here may ask.

    Raises ApiError.
    """
    if request.app.state.exposed or credentials is not None:
        _require(request.app.state.all_keys, request, credentials)
    else:
        _require_this_machine(request)


def _require(keys: Keys, request: Request, credentials: HTTPAuthorizationCredentials | None) -> None:
    if not keys:
        _require_this_machine(request)
    elif credentials is None or not keys.accept(credentials.credentials):
        what = "a key is needed" if credentials is None else "this is no key of ours"
        raise ApiError(
            Kind.UNAUTHORIZED, f"{what}: Authorization: Bearer <key>", headers={"WWW-Authenticate": "Bearer"}
        )


def _require_this_machine(request: Request) -> None:
    """Keep out web pages: a browser on this machine must not be made to ask for them."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    try:
        ours = urlsplit(f"//{host}").hostname in THIS_MACHINE and origin in {None, f"http://{host}"}
    except ValueError:
        ours = False
    if not ours:
        raise ApiError(
            Kind.FORBIDDEN,
            "without a key only requests of this machine to localhost are served, and none of a web page",
        )
