"""Errors as `application/problem+json` (RFC 9457); every kind stands here, and in docs/http-api.md."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from willcall.orders.errors import (
    BrokerUnavailableError,
    ClosedOrderError,
    ConflictingOrderError,
    FieldError,
    NothingToDeliverError,
    RejectedOrderError,
    UnknownAccountError,
    UnknownDeadLetterError,
    UnknownOrderError,
    UnusableDeadLetterError,
    WillcallError,
)
from willcall.orders.submission import field_errors_from, truncate_errors
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError, UnknownDocumentError

log = structlog.get_logger(__name__)

#: Seconds after which a caller may try again while Redis is away: about what a restart of it takes.
RETRY_AFTER = 2

#: What access logs conventionally say of a caller who left before the end; nobody sees it.
_CALLER_LEFT = 499


class ProblemType(Enum):
    """What can go wrong: name in the type's URN, status, title."""

    UNAUTHORIZED = "unauthorized", 401, "The key is missing or wrong"
    FORBIDDEN = "forbidden", 403, "Only this machine is served"
    NOT_FOUND = "not-found", 404, "There is no such thing"
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "The path does not know this method"
    TOO_SLOW = "too-slow", 408, "The body took too long to arrive"
    CONFLICT = "conflict", 409, "The id was submitted before with other content"
    CLOSED = "closed", 409, "The state does not allow this any more"
    TOO_LARGE = "too-large", 413, "The body is too large"
    UNSUPPORTED = "unsupported-media-type", 415, "The body must be JSON"
    REJECTED = "rejected", 422, "What was sent cannot be used"
    INTERNAL = "internal", 500, "A mistake of ours"
    UNAVAILABLE = "unavailable", 503, "A part that is needed is away"
    BUSY = "busy", 503, "Too much is asked at once"

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title


class ApiError(Exception):
    """A request that ends in a problem."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`detail` is for people; `errors` names fields that are wrong."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The problem as JSON."""
        return problem_document(self.kind, self.detail, self.errors)

    def response(self) -> Response:
        """The problem as a response."""
        return JSONResponse(self.document(), self.kind.status, self.headers, "application/problem+json")


def problem_document(kind: ProblemType, detail: str, errors: Sequence[FieldError] = ()) -> dict[str, Any]:
    """A problem as JSON, with the id under which the logs know the request."""
    document: dict[str, Any] = {
        "type": f"urn:willcall:problem:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    if errors:
        document["errors"] = [asdict(error) for error in errors]
    return document


def rejected(errors: Sequence[FieldError]) -> ApiError:
    """What is wrong with a request, all of it but what would make the answer long."""
    few = truncate_errors([*errors])
    return ApiError(ProblemType.REJECTED, "; ".join(map(str, few)), few)


def unavailable(part: str) -> ApiError:
    """A part that does not answer; nothing was changed, or it may be asked for again."""
    headers = {"Retry-After": str(RETRY_AFTER)}
    return ApiError(ProblemType.UNAVAILABLE, f"{part} does not answer; try again in some seconds", headers=headers)


def busy(what: str) -> ApiError:
    """Too much at once; a second later there may be room."""
    return ApiError(ProblemType.BUSY, what, headers={"Retry-After": "1"})


def api_error_from(error: WillcallError) -> ApiError:
    """What a use case refused."""
    match error:
        case RejectedOrderError():
            return rejected(error.errors)
        case ConflictingOrderError():
            return ApiError(ProblemType.CONFLICT, str(error))
        case ClosedOrderError() | NothingToDeliverError() | UnusableDeadLetterError():
            return ApiError(ProblemType.CLOSED, str(error))
        case UnknownOrderError() | UnknownAccountError() | UnknownDocumentError() | UnknownDeadLetterError():
            return ApiError(ProblemType.NOT_FOUND, str(error))
        case BrokerUnavailableError():
            return unavailable("the broker")
    raise error


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application as a problem; the board asks for `unrouted` where no person is lost."""
    app.add_exception_handler(ApiError, _known)
    app.add_exception_handler(WillcallError, _refused)
    app.add_exception_handler(StoreError, _redis_away)
    app.add_exception_handler(StorageError, _storage_away)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _mistake)


async def _known(_: Request, error: Any) -> Response:
    return error.response()  # type: ignore[no-any-return]


async def _refused(_: Request, error: Any) -> Response:
    return api_error_from(error).response()


async def _redis_away(_: Request, error: Exception) -> Response:
    log.warning("redis unavailable", error=error)
    return unavailable("Redis").response()


async def _storage_away(_: Request, error: Exception) -> Response:
    log.warning("document store unavailable", error=error.__cause__ or error)
    return unavailable("the documents' storage").response()


async def _invalid(_: Request, error: Any) -> Response:
    """Query parameters that are unknown or cannot be read; their place in the request goes without saying."""
    complaints = [{**item, "loc": item["loc"][1:]} for item in error.errors()]
    return rejected(field_errors_from(complaints)).response()


async def unknown_route(request: Request, error: Any) -> Response:
    """No such path, or no such method of it."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _allowed(request) or (error.headers or {}).get("Allow", "GET")
        return ApiError(
            ProblemType.METHOD_NOT_ALLOWED, f"possible here: {allowed}", headers={"Allow": allowed}
        ).response()
    if error.status_code == HTTPStatus.NOT_FOUND:
        path = re.sub(r"[^\x21-\x7e]", "?", request.url.path)[:200]
        return ApiError(ProblemType.NOT_FOUND, f"there is no {path}; /docs shows what there is").response()
    return ApiError(ProblemType.REJECTED, str(error.detail)).response()


def _allowed(request: Request) -> str:
    """The methods of a path over all its routes: the router names those of the first alone."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = [method.upper() for method in request.app.openapi()["paths"].get(path, ())]
    return ", ".join([*methods, "HEAD"] if "GET" in methods else methods)


async def _left(_: Request, __: Exception) -> Response:
    return Response(status_code=_CALLER_LEFT)


async def _mistake(_: Request, __: Exception) -> Response:
    """Says nothing of what happened; the logs do, under the request's id."""
    return ApiError(ProblemType.INTERNAL, "this is our mistake; the logs have it under the request's id").response()
