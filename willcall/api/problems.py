"""Errors as `application/problem+json` (RFC 9457). All kinds are listed here and in docs/http-api.md."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from math import ceil
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
    DuplicateOrderError,
    FieldError,
    NothingToDeliverError,
    NotNowError,
    RejectedOrderError,
    UnknownAccountError,
    UnknownDeadLetterError,
    UnknownOrderError,
    UnknownSweepError,
    UnusableDeadLetterError,
    WillcallError,
)
from willcall.orders.submission import field_errors_from, truncate_errors
from willcall.schemas import problems as schemas
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError, UnknownDocumentError

log = structlog.get_logger(__name__)

#: Seconds after which callers may retry while Redis is unavailable: about what its restart takes.
RETRY_AFTER = 2

#: The conventional status in access logs for a client that disconnected; it is not sent.
_CLIENT_CLOSED_REQUEST = 499


class ProblemType(Enum):
    """A kind of error: the name in the type's URN, status, title."""

    UNAUTHORIZED = "unauthorized", 401, "The API key is missing or not valid"
    FORBIDDEN = "forbidden", 403, "The key or the origin of the request does not allow this call"
    NOT_FOUND = "not-found", 404, "Not found"
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "The path does not support this method"
    TOO_SLOW = "too-slow", 408, "The request body took too long to arrive"
    CONFLICT = "conflict", 409, "The id was submitted before with different content"
    DUPLICATE = "duplicate", 409, "Another open order has the same reference"
    CLOSED = "closed", 409, "The current state does not allow this"
    TOO_LARGE = "too-large", 413, "The request body is too large"
    UNSUPPORTED = "unsupported-media-type", 415, "The media type of the request is not supported"
    REJECTED = "rejected", 422, "The request is invalid"
    INTERNAL = "internal", 500, "Internal error"
    UNAVAILABLE = "unavailable", 503, "A required service is unavailable"
    BUSY = "busy", 503, "Too many requests at once"

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title


class ProblemError(Exception):
    """A request that ends in a problem."""

    def __init__(
        self,
        problem_type: ProblemType,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`errors` names the fields that are wrong."""
        super().__init__(detail)
        self.problem_type = problem_type
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def schema(self) -> schemas.Problem:
        """Return the problem, with the id under which the logs know the request."""
        errors = tuple(schemas.FieldProblem(field=each.field, message=each.message) for each in self.errors)
        return schemas.Problem(
            type=f"urn:willcall:problem:{self.problem_type.slug}",
            title=self.problem_type.title,
            status=self.problem_type.status,
            detail=self.detail,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            errors=errors or None,
        )

    def response(self, **more: Any) -> Response:
        """Return the problem as a response, with `more` members."""
        content = {**self.schema().to_json(), **more}
        return JSONResponse(content, self.problem_type.status, self.headers, "application/problem+json")


def rejected(errors: Sequence[FieldError]) -> ProblemError:
    """Return the error for invalid fields. A long list is cut."""
    shown = truncate_errors([*errors])
    return ProblemError(ProblemType.REJECTED, "; ".join(map(str, shown)), shown)


def unavailable(service: str) -> ProblemError:
    """Return the error for a service that does not respond. Every call may be repeated."""
    detail = f"{service} is not responding; retry in a few seconds"
    return ProblemError(ProblemType.UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER)})


def busy(detail: str) -> ProblemError:
    return ProblemError(ProblemType.BUSY, detail, headers={"Retry-After": "1"})


def api_error_from(error: WillcallError) -> ProblemError:
    """Return the API's error for a use case's error."""
    match error:
        case RejectedOrderError():
            return rejected(error.errors)
        case ConflictingOrderError():
            return ProblemError(ProblemType.CONFLICT, str(error))
        case DuplicateOrderError():
            return ProblemError(ProblemType.DUPLICATE, str(error))
        case ClosedOrderError() | NotNowError() | NothingToDeliverError() | UnusableDeadLetterError():
            wait = error.wait if isinstance(error, NotNowError) else None
            return ProblemError(
                ProblemType.CLOSED, str(error), headers={"Retry-After": str(ceil(wait))} if wait else None
            )
        case (
            UnknownOrderError()
            | UnknownAccountError()
            | UnknownDocumentError()
            | UnknownDeadLetterError()
            | UnknownSweepError()
        ):
            return ProblemError(ProblemType.NOT_FOUND, str(error))
        case BrokerUnavailableError():
            return unavailable("The broker")
    raise error


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.add_exception_handler(ProblemError, _api_error)
    app.add_exception_handler(WillcallError, _use_case_error)
    app.add_exception_handler(StoreError, _redis_unavailable)
    app.add_exception_handler(StorageError, _storage_unavailable)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _client_disconnected)
    app.add_exception_handler(Exception, _internal_error)


async def _api_error(_: Request, error: Any) -> Response:
    return error.response()  # type: ignore[no-any-return]


async def _use_case_error(_: Request, error: Any) -> Response:
    return api_error_from(error).response()


async def _redis_unavailable(_: Request, error: Exception) -> Response:
    log.warning("redis unavailable", error=error)
    return unavailable("Redis").response()


async def _storage_unavailable(_: Request, error: Exception) -> Response:
    log.warning("document store unavailable", error=error.__cause__ or error)
    return unavailable("The document store").response()


async def _validation_error(_: Request, error: Any) -> Response:
    """Name the query parameters that are invalid."""
    problems = [{**item, "loc": item["loc"][1:]} for item in error.errors()]
    return rejected(field_errors_from(problems)).response()


async def unknown_route(request: Request, error: Any) -> Response:
    """Answer a request for an unknown path, or with a method that the path does not support."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = _allowed(request) or (error.headers or {}).get("Allow", "GET")
        return ProblemError(
            ProblemType.METHOD_NOT_ALLOWED, f"supported methods: {allowed}", headers={"Allow": allowed}
        ).response()
    if error.status_code == HTTPStatus.NOT_FOUND:
        path = re.sub(r"[^\x21-\x7e]", "?", request.url.path)[:200]
        return ProblemError(ProblemType.NOT_FOUND, f"{path} does not exist; see /docs").response()
    return ProblemError(ProblemType.REJECTED, str(error.detail)).response()


def _allowed(request: Request) -> str:
    """Return the methods of all routes of a path; the router names those of the first one only."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = [method.upper() for method in request.app.openapi()["paths"].get(path, ())]
    return ", ".join([*methods, "HEAD"] if "GET" in methods else methods)


async def _client_disconnected(_: Request, __: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _internal_error(_: Request, __: Exception) -> Response:
    """Give no details: the logs have them under the request's id."""
    return ProblemError(ProblemType.INTERNAL, "internal error; the logs have details under this request id").response()
