"""Bodies: JSON, of a bounded size, within a bounded time."""

import asyncio
from typing import Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from api.problems import ApiError, Kind, rejected
from willcall.orders.errors import Problem
from willcall.orders.strict_json import InvalidJsonError, parse_json

#: Seconds in which a body must have arrived.
BODY_TIMEOUT = 30.0

#: Largest body of most calls, bytes.
LARGEST = 64 * 1024
#: Largest body of a batch, bytes.
LARGEST_BATCH = 16 * 1024 * 1024


async def read_body(request: Request, largest: int) -> bytes:
    """The body. Raises ApiError where it is larger than `largest` bytes or too slow.

    The rest of a body that is too large is read and dropped: a caller who is still sending would not see our answer.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > largest and "expect" in request.headers:
        raise _too_large(largest)  # the caller waits for our word before it sends
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                size += len(chunk)
                if size > largest:
                    chunks.clear()
                else:
                    chunks.append(chunk)
    except TimeoutError:
        raise ApiError(Kind.TOO_SLOW, f"the body must arrive within {BODY_TIMEOUT:g} s") from None
    if size > largest:
        raise _too_large(largest)
    return b"".join(chunks)


def read_json(body: bytes) -> Any:
    """Return what a body holds. Raises ApiError."""
    try:
        return parse_json(body)
    except InvalidJsonError as error:
        raise rejected([Problem("body", str(error))]) from None


def json_body(largest: int = LARGEST, *, optional: bool = False) -> Any:
    """The dependency of a handler that takes JSON of up to `largest` bytes; `optional`: {} where there is no body."""

    async def read(request: Request) -> Any:
        body = await read_body(request, largest)
        if optional and not body:
            return {}
        _require_json(request.headers.get("content-type", ""))
        # A hop to a thread costs more than reading a small body; a large one would hold up all other requests.
        return read_json(body) if len(body) <= LARGEST else await run_in_threadpool(read_json, body)

    return Depends(read)


def _require_json(content_type: str) -> None:
    media, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charset = next((part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")), "utf-8")
    if media != "application/json" or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise ApiError(Kind.UNSUPPORTED, "send the body as Content-Type: application/json, in UTF-8")


def _too_large(largest: int) -> ApiError:
    return ApiError(Kind.TOO_LARGE, f"the body must not be larger than {largest:,} bytes")
