"""What a call of the API may raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from willcall_client.errors import WillcallError

if TYPE_CHECKING:
    from willcall_client.models import Problem


class ApiError(WillcallError):
    """A call that the API rejected or did not answer. `problem` is the API's own description."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        #: Seconds after which the API asked to be called again.
        self.retry_after = retry_after


class AuthenticationError(ApiError):
    """401, 403: the key is missing or wrong, or does not allow this call."""


class NotFoundError(ApiError):
    """404: no such order, document or account."""


class ConflictError(ApiError):
    """409: the id has different content, or the order's status does not allow the call."""


class RejectedError(ApiError):
    """400, 413, 415, 422: the request is invalid; `problem.errors` names the fields."""


class UnavailableError(ApiError):
    """429, 502, 503 or 504 for longer than the client's patience. Call again later: nothing is lost."""


class UnreachableError(UnavailableError):
    """No complete response for longer than the client's patience."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: RejectedError,
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    413: RejectedError,
    415: RejectedError,
    422: RejectedError,
    429: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def error_for(problem: Problem, retry_after: float | None = None) -> ApiError:
    """Return the error for a problem, by its HTTP status."""
    return _BY_STATUS.get(problem.status, ApiError)(problem, retry_after)
