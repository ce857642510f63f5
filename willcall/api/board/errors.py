"""Errors on the board, as pages."""

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
from willcall.api.problems import RETRY_AFTER, ProblemError, api_error_from, unknown_route
from willcall.orders.errors import WillcallError
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

#: Browsers omit strict cookies when they follow a link of another site; this page requests the address again.
_RELOAD = '<!doctype html><meta http-equiv="refresh" content="0"><title>Willcall</title>'

#: Seconds after which a page that Redis could not serve reloads.
_REFRESH = 5

#: Paths that are for programs, whatever they accept.
_PROGRAM_PATHS = ("/v1/", "/webhooks/")

#: All others are bugs, or handled by the application.
_HANDLED = (
    LoginRequiredError,
    BoardForbiddenError,
    CrossSiteRequestError,
    WillcallError,
    ProblemError,
    RequestValidationError,
    StoreError,
    StorageError,
)


class BoardRoute(APIRoute):
    """A route that answers errors with pages."""

    def get_route_handler(self) -> Handler:
        plain = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await plain(request)
            except _HANDLED as error:
                return _to_login(request) if isinstance(error, LoginRequiredError) else _failed(request, error)

        return handle


async def not_found_page(request: Request, error: Any) -> Response:
    """Answer an unknown path: with a page for a browser, with a problem for a program."""
    browser = "text/html" in request.headers.get("accept", "")
    if error.status_code != HTTPStatus.NOT_FOUND or not browser or f"{request.url.path}/".startswith(_PROGRAM_PATHS):
        return await unknown_route(request, error)
    return page(request, "error.html", HTTPStatus.NOT_FOUND, title="Page not found", message="Check the address.")


def _to_login(request: Request) -> Response:
    if request.url.path == "/board/stream":
        return Response(status_code=HTTPStatus.UNAUTHORIZED)
    if request.method != "GET":
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_RELOAD)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?back={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)


def _failed(request: Request, error: Exception) -> Response:
    problem = api_error_from(error) if isinstance(error, WillcallError) else error
    match problem:
        case ProblemError(problem_type=problem_type, detail=detail):
            status, title, message = problem_type.status, problem_type.title, detail
        case BoardForbiddenError():
            status, title, message = 403, "The order board is not available", str(problem)
        case CrossSiteRequestError():
            status, title, message = 403, "Nothing was changed", str(problem)
        case RequestValidationError():
            status, title, message = 422, "The address is invalid", "It has parameters that the board does not know."
        case StoreError():
            return _redis_unavailable(request, problem)
        case _:
            log.warning("dependency unavailable", service="documents", error=problem.__cause__ or problem)
            status, title = 503, "The document store is not responding"
            message = "Nothing is lost. Retry in a few seconds."
    response = page(request, "error.html", status, title=title, message=message)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _redis_unavailable(request: Request, error: StoreError) -> Response:
    """Show a page that reloads itself. After a form it does not, as the form may have been processed."""
    log.warning("dependency unavailable", service="redis", error=error.__cause__ or error)
    reads = request.method in {"GET", "HEAD"}
    next_step = f"This page reloads every {_REFRESH} s." if reads else "Go back and check whether your change was made."
    response = page(
        request,
        "error.html",
        HTTPStatus.SERVICE_UNAVAILABLE,
        title="Redis is not responding",
        message=f"Nothing is lost: orders continue automatically once it responds. {next_step}",
        remedy="Run willcall doctor, and see “Redis is down” in the runbook, docs/ops/runbook.md.",
    )
    response.headers["Retry-After"] = str(RETRY_AFTER)
    if reads:
        response.headers["Refresh"] = str(_REFRESH)
    return response
