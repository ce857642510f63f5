"""Errors of calls. Each carries the problem that the API described."""

from willcall.schemas.problems import Problem


class ApiError(Exception):
    """A call that the API rejected or could not answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class AuthenticationError(ApiError):
    """401, 403: the key is missing or wrong."""


class NotFoundError(ApiError):
    """404: no such order, document or account."""


class ConflictError(ApiError):
    """409: the id has different content, or the order's status does not allow the call."""


class RejectedError(ApiError):
    """413, 415, 422: the request is invalid; `problem.errors` names the fields."""


class UnavailableError(ApiError):
    """503 for longer than the client's patience. Retry later; nothing is lost."""


class UnreachableError(UnavailableError):
    """No response for longer than the client's patience."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    413: RejectedError,
    415: RejectedError,
    422: RejectedError,
    503: UnavailableError,
}


def error_of(problem: Problem) -> ApiError:
    return _BY_STATUS.get(problem.status, ApiError)(problem)
