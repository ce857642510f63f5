"""Reading responses over httpx: limits of size and time, and errors as ours. Both clients share it."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from willcall_client.api_errors import UnreachableError, error_for
from willcall_client.decoding import parse_json
from willcall_client.errors import DecodeError
from willcall_client.models import Problem
from willcall_client.retries import retry_after

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from willcall_client.calls import Call

#: Largest body of an error that is read; the rest is dropped.
MAX_ERROR_BYTES = 1024 * 1024
_REDIRECT = range(300, 400)


class BearerAuth(httpx.Auth):
    """Sends the key in each request, whatever credentials the URL or the environment name."""

    def __init__(self, key: str) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", key):
            raise ValueError("the key has a space, a line break or another character that no HTTP header can carry")
        self._header = f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


def client_options(base_url: str, key: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an httpx client. Raises ValueError for a URL or key that cannot work."""
    url = httpx.URL(base_url)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("the address of Willcall must begin with http:// or https:// and name a host")
    auth = {} if key is None else {"auth": BearerAuth(key)}
    return {"base_url": url, "follow_redirects": False, **auth, **options}


def request_options(call: Call[Any], user_agent: str, timeout: float) -> dict[str, Any]:
    """Return the arguments of `httpx.Client.stream`."""
    headers = {"User-Agent": user_agent, **call.headers}
    if call.content is not None:
        headers["Content-Type"] = call.content_type
    return {
        "method": call.method,
        "url": call.path,
        "params": call.params or None,
        "content": call.content,
        "headers": headers,
        "timeout": timeout,
    }


@contextmanager
def errors_translated() -> Iterator[None]:
    """Raise UnreachableError or DecodeError for httpx's errors."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise _unreachable("did not respond in time") from error
    except (httpx.DecodingError, httpx.UnsupportedProtocol) as error:
        raise DecodeError(f"the response cannot be read: {error}") from error
    except httpx.RequestError as error:
        raise _unreachable(f"cannot be reached: {str(error) or type(error).__name__}") from error


class ResponseReader:
    """Takes the body of one response chunk by chunk, and passes on what the caller does not have yet."""

    def __init__(self, call: Call[Any], response: httpx.Response, timeout: float, skip: int = 0) -> None:
        self._call = call
        self._response = response
        self._ok = response.status_code < _REDIRECT.start or response.status_code in call.results
        self._end = None if call.is_file else time.monotonic() + timeout
        self._skip = skip
        self._received = 0
        self._error = b""

    def read(self, chunk: bytes) -> bytes:
        """Return the new part of a chunk; nothing of an error. Raises DecodeError if the body is too large."""
        if self._end is not None and time.monotonic() > self._end:
            raise _unreachable("did not respond in time")
        if not self._ok:
            self._error += chunk
            if len(self._error) > MAX_ERROR_BYTES:
                self.finish()
            return b""
        start = max(self._skip - self._received, 0)
        self._received += len(chunk)
        if self._received > self._call.max_bytes:
            raise DecodeError(f"{self._where} is larger than {self._call.max_bytes:,} bytes")
        return chunk[start:]

    def finish(self) -> None:
        """Raise the error that the response is."""
        if self._ok:
            if self._received < self._skip:
                raise DecodeError(f"{self._where} is shorter than before")
            return
        status = self._response.status_code
        try:
            document = parse_json(self._error)
        except DecodeError:
            document = None
        if document is None and status in _REDIRECT:
            document = {"detail": f"HTTP {status}: the address of Willcall redirects to another one"}
        raise error_for(Problem.from_response(document, status), retry_after(self._response.headers))

    @property
    def _where(self) -> str:
        return f"the response to {self._call.method} {self._call.path}"


def _unreachable(detail: str) -> UnreachableError:
    return UnreachableError(Problem(type="about:blank", title="Unreachable", status=0, detail=f"Willcall {detail}"))
