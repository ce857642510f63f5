"""Log in with an operator key, and out."""

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from willcall.api.board.access import (
    SESSION_COOKIE,
    AccessMode,
    BoardAccess,
    CrossSiteRequestError,
    delete_cookie,
    is_same_origin,
    set_cookie,
)
from willcall.api.board.errors import BoardRoute
from willcall.api.board.forms import Form, place_to_return
from willcall.api.board.rendering import page

log = structlog.get_logger(__name__)

router = APIRouter(route_class=BoardRoute, include_in_schema=False)


async def _keyed(request: Request) -> BoardAccess:
    """The door, where there is a lock in it. Raises ClosedBoardError, ForeignRequestError."""
    access: BoardAccess = request.app.state.board_access
    if access.door is not AccessMode.KEYED:
        await access.check(request)
    elif request.method == "POST" and not is_same_origin(request):
        raise CrossSiteRequestError
    return access


Lock = Annotated[BoardAccess, Depends(_keyed)]


@router.get("/login")
async def login_page(request: Request, access: Lock, back: Annotated[str | None, Query()] = None) -> Response:
    """The form; whoever is in already goes on."""
    if await access.lets_in(request):
        return _go(place_to_return(back))
    return page(request, "login.html", back=place_to_return(back), wrong=None)


@router.post("/login")
async def login(request: Request, access: Lock, form: Form) -> Response:
    """A session for a good key, whatever was tried before; few answers a minute for others."""
    back, caller = place_to_return(form.get("back")), request.client.host if request.client else ""
    session = access.sessions.open(form.get("key", "").strip())
    if session is None:
        return _refused(request, access, caller, back)
    log.info("login", caller=caller)
    entered = _go(back)
    set_cookie(request, entered, SESSION_COOKIE, session)
    return entered


def _refused(request: Request, access: BoardAccess, caller: str, back: str) -> Response:
    """A wrong key. Beyond some a minute nothing is logged, so that nobody can flood the log."""
    if access.tries.exhausted(caller):
        wrong = "Too many wrong keys. A right one is let in at any time."
        response = page(request, "login.html", HTTPStatus.TOO_MANY_REQUESTS, back=back, wrong=wrong)
        response.headers["Retry-After"] = "60"
        return response
    access.tries.failed(caller)
    log.warning("login rejected", caller=caller)
    wrong = "This is no operator key of ours."
    return page(request, "login.html", HTTPStatus.FORBIDDEN, back=back, wrong=wrong)


@router.post("/logout")
async def logout(request: Request, access: Lock) -> Response:
    """The session is over, and the browser forgets it."""
    await access.end(request)
    response = _go("/login")
    delete_cookie(response, SESSION_COOKIE)
    return response


def _go(where: str) -> Response:
    return RedirectResponse(where, HTTPStatus.SEE_OTHER)
