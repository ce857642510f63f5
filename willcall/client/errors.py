"""Errors of calls. Each carries the problem that the API described."""
# ruff: noqa: N818 - named after what happened

from willcall.schemas.problems import Problem


class ApiError(Exception):
    """A call that the API rejected or could not answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Unauthorized(ApiError):
    """401, 403: the key is missing or wrong."""


class NotFound(ApiError):
    """404: no such order, document or account."""


class Conflict(ApiError):
    """409: the id has different content, or the order's status does not allow the call."""


class Rejected(ApiError):
    """413, 415, 422: the request is invalid; `problem.errors` names the fields."""


class Unavailable(ApiError):
    """503 for longer than the client's patience. Retry later; nothing is lost."""


class Unreachable(Unavailable):
    """No response for longer than the client's patience."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    413: Rejected,
    415: Rejected,
    422: Rejected,
    503: Unavailable,
}


def error_of(problem: Problem) -> ApiError:
    return _BY_STATUS.get(problem.status, ApiError)(problem)
