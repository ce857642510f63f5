"""What goes wrong on the board, as a page rather than a problem in JSON."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, RedirectResponse, Response

from willcall.api.board.access import BoardForbiddenError, CrossSiteRequestError, LoginRequiredError
from willcall.api.board.rendering import page
from willcall.api.problems import RETRY_AFTER, ApiError, api_error_from, unknown_route
from willcall.orders.errors import WillcallError
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

#: The browser leaves strict cookies out of what follows a link from elsewhere; our own page asks for the same again.
_AGAIN = '<!doctype html><meta http-equiv="refresh" content="0"><title>Willcall</title>'

#: Seconds after which a page that Redis kept from being shown is asked for again.
_REFRESH = 5

#: Below these everything is for programs, whoever asks.
_PROGRAMS = ("/v1/", "/webhooks/")

#: What is answered here; all else is a mistake of ours, or the application's to answer.
_KNOWN = (
    LoginRequiredError,
    BoardForbiddenError,
    CrossSiteRequestError,
    WillcallError,
    ApiError,
    RequestValidationError,
    StoreError,
    StorageError,
)


class BoardRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Handler:
        """The handler, with errors answered."""
        plain = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await plain(request)
            except _KNOWN as error:
                return _to_login(request) if isinstance(error, LoginRequiredError) else _failed(request, error)

        return handle


async def not_found_page(request: Request, error: Any) -> Response:
    """No such path, or no such method of it: a page for a person who goes to one that is not there, else a problem."""
    person = "text/html" in request.headers.get("accept", "")
    if error.status_code != HTTPStatus.NOT_FOUND or not person or f"{request.url.path}/".startswith(_PROGRAMS):
        return await unknown_route(request, error)
    told = "The address may be mistyped, or lead to what was here once."
    return page(request, "error.html", HTTPStatus.NOT_FOUND, title="There is no such page", told=told)


def _to_login(request: Request) -> Response:
    if request.url.path == "/board/stream":
        return Response(status_code=HTTPStatus.UNAUTHORIZED)
    if request.method != "GET":
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_AGAIN)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?back={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)


def _failed(request: Request, error: Exception) -> Response:
    problem = api_error_from(error) if isinstance(error, WillcallError) else error
    match problem:
        case ApiError(problem_type=problem_type, detail=detail):
            status, title, told = problem_type.status, problem_type.title, detail
        case BoardForbiddenError():
            status, title, told = 403, "The order board is closed", str(problem)
        case CrossSiteRequestError():
            status, title = 403, "Nothing was changed"
            told = "It was not sent by a page of this board. Reload the page and try again."
        case RequestValidationError():
            status, title, told = 422, "This address leads nowhere", "It has parts that the board does not know."
        case StoreError():
            return _redis_away(request, problem)
        case _:
            log.warning("dependency unavailable", service="documents", error=problem.__cause__ or problem)
            status, title = 503, "The documents' storage does not answer"
            told = "Nothing is lost. Try again in some seconds."
    response = page(request, "error.html", status, title=title, told=told)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _redis_away(request: Request, error: StoreError) -> Response:
    """A page that is asked for again by itself; what a button sent is not, as nobody knows whether it was done."""
    log.warning("dependency unavailable", service="redis", error=error.__cause__ or error)
    looks = request.method in {"GET", "HEAD"}
    again = f"This page is loaded again every {_REFRESH} s." if looks else "Go back, and see whether it was done."
    response = page(
        request,
        "error.html",
        HTTPStatus.SERVICE_UNAVAILABLE,
        title="Redis does not answer",
        told=f"Nothing is lost: orders wait, and go on by themselves once it does. {again}",
        remedy="willcall doctor says what is wrong with it; what then helps is in the runbook, docs/ops/runbook.md, "
        "under “Redis is away”.",
    )
    response.headers["Retry-After"] = str(RETRY_AFTER)
    if looks:
        response.headers["Refresh"] = str(_REFRESH)
    return response
