"""The body of an answer, chunk by chunk: bounded, unpacked, and what is wrong with it in words that quote nothing."""

from collections.abc import Iterator
from http.client import HTTPException

from requests.exceptions import ReadTimeout, RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from willcall.http.connections import TooManyBytesError
from willcall.http.content_codings import limited, unpacked
from willcall.http.decoders import CodingError

#: Bytes read from a connection at a time.
_CHUNK = 65_536
#: Bytes by which a body in a coding may be larger than twice of what it unpacks to.
_OVERHEAD = 65_536
#: Digits of a length that anybody means.
_LONGEST_LENGTH = 15

#: Whatever requests and urllib3 raise for the network and the other side; `OSError` and `HTTPException`
#: are what slips through them unwrapped.
FAILURES = (RequestException, HTTPError, HTTPException, OSError)


class UnusableBodyError(Exception):
    """A body that is larger than it may be, or packed so that it cannot be read."""


class BrokenBodyError(Exception):
    """A body that did not come whole: the network, or a server that hangs up."""


def read_chunks(raw: BaseHTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """The body without its codings, at most `max_bytes` of it in all. Raises UnusableBodyError and BrokenBodyError."""
    announced, most_packed = _announced(raw), 2 * max_bytes + _OVERHEAD
    try:
        if announced > most_packed:
            raise TooManyBytesError
        chunks, packed = unpacked(_wire(raw), raw.headers.get("content-encoding", ""), most_packed)
        if announced > max_bytes and not packed:
            raise TooManyBytesError
        yield from limited(chunks, max_bytes)
    except CodingError as error:
        raise UnusableBodyError(str(error)) from None
    except (*FAILURES, ValueError) as error:  # ValueError: nonsense where a chunk's size should stand
        if isinstance(_innermost(error), TooManyBytesError):
            raise UnusableBodyError(f"answer larger than {max_bytes} bytes") from None
        raise BrokenBodyError(reason(error)) from error


def reason(error: BaseException) -> str:
    """Why there is no whole answer: the class of the innermost error, as messages quote URLs and bytes."""
    if isinstance(error, ReadTimeout | ReadTimeoutError):
        return "no whole answer in time"
    return f"connection broken: {type(_innermost(error)).__name__}"


def _wire(raw: BaseHTTPResponse) -> Iterator[bytes]:
    """The body as it comes over the wire, which is bounded there."""
    while chunk := raw.read(_CHUNK, decode_content=False):
        yield chunk


def _announced(raw: BaseHTTPResponse) -> int:
    """The length that the server promises, 0 where it does not."""
    length = raw.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) <= _LONGEST_LENGTH else 0


def _innermost(error: BaseException) -> BaseException:
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return error
