"""The body of an answer, chunk by chunk: bounded, unpacked, and what is wrong with it in words that quote nothing."""

import zlib
from collections.abc import Iterator
from http.client import HTTPException

from requests.exceptions import ReadTimeout, RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from willcall.providers.connections import TooManyBytesError

#: Bytes read from a connection at a time.
_CHUNK = 65_536
#: Names of the gzip coding. https://www.rfc-editor.org/rfc/rfc9110#field.content-encoding
_GZIP = {"gzip", "x-gzip"}

#: Whatever requests and urllib3 raise for the network and the other side; `OSError` and `HTTPException`
#: are what slips through them unwrapped.
FAILURES = (RequestException, HTTPError, HTTPException, OSError)


class UnusableBodyError(Exception):
    """A body that is larger than it may be, or packed so that it cannot be read."""


class BrokenBodyError(Exception):
    """A body that did not come whole: the network, or a server that hangs up."""


def read_chunks(raw: BaseHTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """The decoded body, at most `max_bytes` of it in all. Raises UnusableBodyError and BrokenBodyError."""
    coding = raw.headers.get("content-encoding", "").strip().lower()
    if coding not in _GZIP | {"", "identity"}:
        raise UnusableBodyError("unexpected content encoding")
    try:
        yield from _unpacked(raw, max_bytes) if coding in _GZIP else _plain(raw, max_bytes)
    except zlib.error:
        raise UnusableBodyError("broken gzip") from None
    except (*FAILURES, ValueError) as error:  # ValueError: nonsense where a chunk's size should stand
        if isinstance(_innermost(error), TooManyBytesError):
            raise UnusableBodyError(f"answer larger than {max_bytes} bytes") from None
        raise BrokenBodyError(reason(error)) from error


def reason(error: BaseException) -> str:
    """Why there is no whole answer: the class of the innermost error, as messages quote URLs and bytes."""
    if isinstance(error, ReadTimeout | ReadTimeoutError):
        return "no whole answer in time"
    return f"connection broken: {type(_innermost(error)).__name__}"


def _plain(raw: BaseHTTPResponse, max_bytes: int) -> Iterator[bytes]:
    announced = raw.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise TooManyBytesError
    size = 0
    while chunk := raw.read(_CHUNK, decode_content=False):
        size += len(chunk)
        if size > max_bytes:
            raise TooManyBytesError
        yield chunk


def _unpacked(raw: BaseHTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """Unpacked here rather than by urllib3, to stop within a chunk and to notice a missing end."""
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    size = 0
    while chunk := raw.read(_CHUNK, decode_content=False):
        if unpack.eof:
            raise zlib.error("bytes beyond the end")
        part = unpack.decompress(chunk, max_bytes + 1 - size)
        size += len(part)
        if size > max_bytes:
            raise TooManyBytesError
        yield part
    if raw.tell() and not unpack.eof:
        raise zlib.error("no end")


def _innermost(error: BaseException) -> BaseException:
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return error
