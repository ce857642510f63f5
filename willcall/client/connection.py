"""A connection to the API: key, timeouts, and retries while the server is unavailable."""

import time
from collections.abc import Mapping
from random import uniform
from typing import Any

import requests

from willcall.client.errors import ApiError, UnreachableError, error_of
from willcall.schemas.problems import Problem

#: Seconds before the first retry; doubled each time.
_FIRST_WAIT = 0.2
#: The server could not be reached, or closed the connection during its response.
_NO_RESPONSE = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
_UNAVAILABLE = 503
_REDIRECT = 300


class _Bearer(requests.auth.AuthBase):
    """Sends the key in each request; requests would replace a header by an entry of .netrc."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Connection:
    """Sends requests, and repeats those that an unavailable server did not answer."""

    def __init__(self, base_url: str, key: str | None, timeout: float, patience: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._patience = patience
        self._session = requests.Session()
        self._session.auth = _Bearer(key)

    def close(self) -> None:
        self._session.close()

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Return the JSON of a response. Raises ApiError."""
        return self.request(method, path, **options).json()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Return a successful response. Raises ApiError; UnavailableError if there was none within the patience."""
        give_up_at = time.monotonic() + self._patience
        wait = _FIRST_WAIT
        while True:
            try:
                response = self._session.request(
                    method, self._base_url + path, timeout=self._timeout, allow_redirects=False, **options
                )
            except _NO_RESPONSE as error:
                failure: ApiError = _unreachable(error)
                pause = wait
            else:
                if response.status_code < _REDIRECT:
                    return response
                failure, pause = error_of(_problem(response)), max(wait, _retry_after(response.headers))
                if response.status_code != _UNAVAILABLE:
                    raise failure
            if time.monotonic() + pause > give_up_at:
                raise failure
            time.sleep(uniform(pause, pause * 1.1))  # noqa: S311 - spreads callers
            wait *= 2


def _unreachable(error: Exception) -> UnreachableError:
    kind = "did not respond in time" if isinstance(error, requests.Timeout) else "cannot be reached"
    return UnreachableError(Problem(type="about:blank", title="Unreachable", status=0, detail=f"Willcall {kind}"))


def _problem(response: requests.Response) -> Problem:
    try:
        document = response.json()
    except ValueError:
        document = None
    return Problem.from_response(document, response.status_code)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return seconds; 0 if the header is missing or not a number."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0
