"""Who may see the board: operators who have logged in; in development, where there are no keys at all, this machine."""

from enum import StrEnum
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from willcall.api.board.sessions import SESSION_LIFETIME, FailedLogins, Sessions
from willcall.api.security import named_as_this_machine, of_this_machine
from willcall.config.settings import ApiSettings
from willcall.stores.sessions import SessionStore

if TYPE_CHECKING:
    from pydantic import SecretStr

SESSION_COOKIE, FLASH_COOKIE = "willcall_session", "willcall_notice"


class AccessMode(StrEnum):
    """How the board is kept."""

    KEYED = "keyed"
    OPEN = "open"
    CLOSED = "closed"


class LoginRequiredError(Exception):
    """Whoever asks has no session, or it is over."""


class BoardForbiddenError(Exception):
    """The board is not served to whoever asks; the message says why, and what would change it."""


class CrossSiteRequestError(Exception):
    """A request that would change something, and that no page of ours has sent."""


class BoardAccess:
    """Decides who is let in."""

    def __init__(self, settings: ApiSettings, ended: SessionStore, *, exposed: bool) -> None:
        """`ended` knows who has logged out.

        `exposed`: the API can be reached beyond loopback. With keys for backends alone, this is no development.
        """
        keys: tuple[SecretStr, ...] = settings.operator_keys
        self.sessions = Sessions(keys)
        self._ended = ended
        self.tries = FailedLogins()
        self.door = AccessMode.KEYED if keys else AccessMode.CLOSED if exposed or settings.keys else AccessMode.OPEN

    async def lets_in(self, request: Request) -> bool:
        """Whether no session is needed, or whoever asks has one that is not over. Raises StoreError."""
        if self.door is not AccessMode.KEYED:
            return True
        session = self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))
        return session is not None and not await run_in_threadpool(self._ended.is_ended, session)

    async def end(self, request: Request) -> None:
        """Whoever asks logs out: no copy of the session is good any more. Raises StoreError."""
        session = self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))
        if session is not None:
            await run_in_threadpool(self._ended.end, session, SESSION_LIFETIME)

    async def check(self, request: Request) -> None:
        """Let the request pass if it may.

        Raises LoginNeededError, ClosedBoardError, ForeignRequestError, StoreError.
        """
        match self.door:
            case AccessMode.CLOSED:
                raise BoardForbiddenError("The order board needs a key for operators: set api.operator_keys.")
            case AccessMode.OPEN if not of_this_machine(request):
                raise BoardForbiddenError(
                    "Without api.operator_keys the order board is served to this machine alone, at localhost."
                )
            case AccessMode.KEYED if not await self.lets_in(request):
                raise LoginRequiredError
        if request.method not in {"GET", "HEAD"} and not is_same_origin(request):
            raise CrossSiteRequestError


def is_same_origin(request: Request) -> bool:
    """Whether a page of ours sent the request: by the browser's own word, else by the page's origin."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    scheme, _, page = request.headers.get("origin", "").partition("://")
    return scheme in {"http", "https"} and page == request.headers.get("host")


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Give the browser something to keep: a session for as long as it lasts, a notice for the next page."""
    response.set_cookie(
        name,
        value,
        max_age=SESSION_LIFETIME if name == SESSION_COOKIE else 60,
        httponly=True,
        samesite="strict",
        secure=_encrypted(request),
    )


def delete_cookie(response: Response, name: str) -> None:
    """Have the browser forget it."""
    response.delete_cookie(name, httponly=True, samesite="strict")


def is_secure_context(request: Request) -> bool:
    """Whether browsers take us at our word, as they do over https and on their own machine."""
    return _encrypted(request) or named_as_this_machine(request)


def _encrypted(request: Request) -> bool:
    """Whether the browser came by https. A proxy's word is enough: who invents it keeps only himself out."""
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "").strip().lower()}
