"""What can go wrong with a call. Each error carries the API's own words as `problem`."""
# ruff: noqa: N818 - named after what happened

from willcall.schemas.problems import Problem


class ApiError(Exception):
    """A call that the API refused, or could not answer."""

    def __init__(self, problem: Problem) -> None:
        """`problem`: what the API says."""
        super().__init__(problem.detail)
        self.problem = problem


class Unauthorized(ApiError):
    """401, 403: the key is missing or wrong."""


class NotFound(ApiError):
    """404: there is no such order, document or account."""


class Conflict(ApiError):
    """409: the id was submitted before with other content, or the order's state does not allow this any more."""


class Rejected(ApiError):
    """413, 415, 422: what was sent cannot be used; `problem.errors` names the fields."""


class Unavailable(ApiError):
    """503 for longer than the client's patience: nothing is lost by trying again later."""


class Unreachable(Unavailable):
    """No answer at all for longer than the client's patience."""


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
    """The error that a problem is."""
    return _BY_STATUS.get(problem.status, ApiError)(problem)
