"""Log in with an operator key, and log out."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from willcall.api.board.access import (
    SESSION_COOKIE,
    AccessMode,
    BoardAccess,
    delete_cookie,
    set_cookie,
)
from willcall.api.board.errors import BoardRoute
from willcall.api.board.forms import Form, safe_redirect_path
from willcall.api.board.rendering import page
from willcall.api.rejected_keys import KeyKind
from willcall.api.security import client_address, reject_key

log = structlog.get_logger(__name__)

router = APIRouter(route_class=BoardRoute, include_in_schema=False)


async def _login_access(request: Request) -> BoardAccess:
    """Return the access control of a board with a login. Raises BoardForbiddenError, CrossSiteRequestError."""
    access: BoardAccess = request.app.state.board_access
    if access.mode is not AccessMode.LOGIN:
        await access.check(request)
    elif request.method == "POST":
        access.check_origin(request)
    return access


LoginDep = Annotated[BoardAccess, Depends(_login_access)]


@router.get("/login")
async def login_page(request: Request, access: LoginDep, back: Annotated[str | None, Query()] = None) -> Response:
    """Show the form, or continue if the operator is logged in."""
    if await access.is_authenticated(request):
        return _go(safe_redirect_path(back))
    return page(request, "login.html", back=safe_redirect_path(back), error=None)


@router.post("/login")
async def login(request: Request, access: LoginDep, form: Form) -> Response:
    """Open a session for a valid key, however many wrong ones came before."""
    back = safe_redirect_path(form.get("back"))
    session = access.sessions.open(form.get("key", "").strip())
    if session is None:
        return await _refused(request, back)
    log.info("login", client=client_address(request))
    entered = _go(back)
    set_cookie(request, entered, SESSION_COOKIE, session)
    return entered


async def _refused(request: Request, back: str) -> Response:
    """Log a wrong key, but only some per minute, so that the log cannot be flooded. Answer later and later."""
    if await reject_key(request, KeyKind.LOGIN):
        log.warning("login rejected", client=client_address(request))
        error = "That operator key is not valid."
        return page(request, "login.html", HTTPStatus.FORBIDDEN, back=back, error=error)
    error = "Too many wrong keys. The correct key works at any time."
    response = page(request, "login.html", HTTPStatus.TOO_MANY_REQUESTS, back=back, error=error)
    response.headers["Retry-After"] = "60"
    return response


@router.post("/logout")
async def logout(request: Request, access: LoginDep) -> Response:
    """End the session."""
    await access.log_out(request)
    response = _go("/login")
    delete_cookie(response, SESSION_COOKIE)
    return response


def _go(where: str) -> Response:
    return RedirectResponse(where, HTTPStatus.SEE_OTHER)
