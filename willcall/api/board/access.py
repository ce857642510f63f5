"""Access to the board: operators who have logged in or, in development without any keys, this machine."""

from enum import StrEnum
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from willcall.api.board.sessions import SESSION_LIFETIME, Session, Sessions
from willcall.api.security import Principal, Role, is_addressed_to_loopback, is_from_this_machine
from willcall.config.settings import ApiSettings
from willcall.stores.sessions import SessionStore

SESSION_COOKIE, FLASH_COOKIE = "willcall_session", "willcall_notice"


class AccessMode(StrEnum):
    """How the board is protected."""

    LOGIN = "login"
    OPEN = "open"
    CLOSED = "closed"


class LoginRequiredError(Exception):
    """The request has no valid session."""


class BoardForbiddenError(Exception):
    """The board is not served to this client; the message says what would change that."""


class CrossSiteRequestError(Exception):
    """A request with an effect that was not sent by a page of the board; the message says what may be wrong."""


class BoardAccess:
    """Decides which requests the board serves."""

    def __init__(self, settings: ApiSettings, ended: SessionStore, *, exposed: bool) -> None:
        """`ended` stores the sessions that were logged out; `exposed`: the API can be reached beyond loopback."""
        self.sessions = Sessions(settings.operator_keys_by_name)
        self._ended = ended
        self._public_host = urlsplit(settings.public_url or "").netloc or None
        closed = exposed or settings.keys or settings.clients
        self.mode = AccessMode.LOGIN if settings.all_operator_keys else AccessMode.CLOSED if closed else AccessMode.OPEN

    async def session(self, request: Request) -> Session | None:
        """Return the valid session of a request. Raises StoreError."""
        session = self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))
        ended = session is None or await run_in_threadpool(self._ended.is_ended, session.id)
        return None if ended else session

    async def is_authenticated(self, request: Request) -> bool:
        """Return whether the request needs no session, or has a valid one. Raises StoreError."""
        return self.mode is not AccessMode.LOGIN or await self.session(request) is not None

    async def log_out(self, request: Request) -> None:
        """End the session, for every copy of its cookie. Raises StoreError."""
        session = self.sessions.read(request.cookies.get(SESSION_COOKIE, ""))
        if session is not None:
            await run_in_threadpool(self._ended.end, session.id, SESSION_LIFETIME)

    def check_origin(self, request: Request) -> None:
        """Raise CrossSiteRequestError unless a page of the board sent the request.

        `Sec-Fetch-Site` says so, which browsers send over https. Without it, `Origin` must name the host of the
        request, or that of `api.public_url` if a proxy replaces the host.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
        if site is not None:
            if site == "same-origin":
                return
            raise CrossSiteRequestError("The form was sent by a page of another site. Open the board and try again.")
        scheme, _, page = origin.partition("://")
        host = request.headers.get("host", "")
        if scheme in {"http", "https"} and page in {host, self._public_host}:
            return
        if scheme not in {"http", "https"}:
            raise CrossSiteRequestError("The browser did not say which page sent the form. Reload it and try again.")
        raise CrossSiteRequestError(
            f"The page is from {page}, but the request came here for {host or 'no host'}. If a proxy is in "
            "between, have it keep the header Host, as the example for nginx does, or set api.public_url to the page's "
            "address."
        )

    async def check(self, request: Request) -> Principal:
        """Return whom the request comes from.

        Raises LoginRequiredError, BoardForbiddenError, CrossSiteRequestError, StoreError.
        """
        session = await self.session(request) if self.mode is AccessMode.LOGIN else None
        match self.mode:
            case AccessMode.CLOSED:
                raise BoardForbiddenError("Set api.operator_keys to use the order board.")
            case AccessMode.OPEN if not is_from_this_machine(request):
                raise BoardForbiddenError(
                    "Without api.operator_keys, the order board is only available on this machine, at localhost."
                )
            case AccessMode.LOGIN if session is None:
                raise LoginRequiredError
        if request.method not in {"GET", "HEAD"}:
            self.check_origin(request)
        return Principal(Role.OPERATOR, operator=session.operator if session else None)


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Set the session cookie, or a message that the next page shows."""
    response.set_cookie(
        name,
        value,
        max_age=SESSION_LIFETIME if name == SESSION_COOKIE else 60,
        httponly=True,
        samesite="strict",
        secure=_encrypted(request),
    )


def delete_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, httponly=True, samesite="strict")


def is_secure_context(request: Request) -> bool:
    """Return whether browsers treat the page as secure: over https, or on their own machine."""
    return _encrypted(request) or is_addressed_to_loopback(request)


def _encrypted(request: Request) -> bool:
    """Trust a proxy's header: callers who forge it only lock themselves out."""
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "").strip().lower()}
