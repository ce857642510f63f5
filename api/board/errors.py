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

from api.board.access import ClosedBoardError, ForeignRequestError, LoginNeededError
from api.board.rendering import page
from api.problems import RETRY_AFTER, ApiError, error_of
from willcall.orders.errors import WillcallError
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

#: The browser leaves strict cookies out of what follows a link from elsewhere; our own page asks for the same again.
_AGAIN = '<!doctype html><meta http-equiv="refresh" content="0"><title>Willcall</title>'


class BoardRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Handler:
        """The handler, with errors answered."""
        plain = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await plain(request)
            except LoginNeededError:
                return _to_login(request)
            except ClosedBoardError as error:
                return _failed(request, HTTPStatus.FORBIDDEN, "The order board is closed", str(error))
            except ForeignRequestError:
                told = "It was not sent by this page. Reload the page and try again."
                return _failed(request, HTTPStatus.FORBIDDEN, "Nothing was changed", told)
            except WillcallError as error:
                problem = error_of(error)
                return _failed(request, problem.kind.status, problem.kind.title, str(error))
            except ApiError as error:
                return _failed(request, error.kind.status, error.kind.title, error.detail)
            except RequestValidationError:
                told = "The address has parts that the board does not know."
                return _failed(request, HTTPStatus.UNPROCESSABLE_ENTITY, "This address leads nowhere", told)
            except StoreError as error:
                log.warning("redis away", error=type(error).__name__)
                return _away(request, "Redis does not answer", "Nothing is lost: what it was told is on its disk.")
            except StorageError as error:
                log.warning("document storage away", error=type(error.__cause__ or error).__name__)
                return _away(request, "The documents' storage does not answer", "The document is kept; try again.")

        return handle


def _to_login(request: Request) -> Response:
    if request.url.path == "/board/stream":
        return Response(status_code=HTTPStatus.UNAUTHORIZED)
    if request.method != "GET":
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_AGAIN)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?back={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)


def _away(request: Request, title: str, told: str) -> Response:
    response = _failed(request, HTTPStatus.SERVICE_UNAVAILABLE, title, told)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def _failed(request: Request, status: int, title: str, told: str) -> Response:
    return page(request, "error.html", int(status), title=title, told=told)
