"""Read the body of a response in chunks, with limits before and after decompression."""

from collections.abc import Iterator

from urllib3.response import BaseHTTPResponse

from willcall.http.content_codings import limited, unpacked
from willcall.http.decoders import CodingError
from willcall.http.errors import FAILURES, TooManyBytesError, UnusableBodyError, broken_exchange, innermost

#: Bytes read from a connection at a time.
_CHUNK = 65_536
#: Bytes by which a compressed body may exceed twice its decompressed size.
_OVERHEAD = 65_536
#: Most digits of a plausible `Content-Length`.
_LONGEST_LENGTH = 15


def read_chunks(raw: BaseHTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """Read the body without its codings, at most `max_bytes`. Raises UnusableBodyError and BrokenExchangeError."""
    announced, most_packed = _announced_length(raw), 2 * max_bytes + _OVERHEAD
    try:
        if announced > most_packed:
            raise TooManyBytesError
        chunks, packed = unpacked(_wire(raw), raw.headers.get("content-encoding", ""), most_packed)
        if announced > max_bytes and not packed:
            raise TooManyBytesError
        yield from limited(chunks, max_bytes)
    except CodingError as error:
        raise UnusableBodyError(str(error)) from None
    except (*FAILURES, ValueError) as error:  # ValueError: the size of a chunk is not a number
        if isinstance(innermost(error), TooManyBytesError):
            raise UnusableBodyError(f"response larger than {max_bytes} bytes") from None
        raise broken_exchange(error) from error


def _wire(raw: BaseHTTPResponse) -> Iterator[bytes]:
    while chunk := raw.read(_CHUNK, decode_content=False):
        yield chunk


def _announced_length(raw: BaseHTTPResponse) -> int:
    """Return the `Content-Length`, or 0 without a plausible one."""
    length = raw.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) <= _LONGEST_LENGTH else 0
