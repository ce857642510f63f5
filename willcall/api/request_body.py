"""Bodies: each of a bounded size and within a bounded time, all together in bounded memory.

While a body arrives, its request takes no place among those that are worked on (see `willcall.api.middleware`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

import structlog
from anyio import to_thread
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from willcall.api.problems import ApiError, ProblemType, busy, rejected, unavailable
from willcall.orders.errors import FieldError
from willcall.orders.strict_json import InvalidJsonError, parse_json

log = structlog.get_logger(__name__)

#: Largest body of most calls, bytes; as much of a larger one is kept in memory while it arrives, the rest in a file.
MAX_BODY_BYTES = 64 * 1024
#: Largest body of a batch, bytes.
MAX_BATCH_BYTES = 16 * 1024 * 1024

#: Seconds in which a body must have arrived, whatever its size.
BODY_TIMEOUT = 30.0
#: Seconds in which it must have begun, and bytes a second by which it must go on.
HEAD_START, SLOWEST = 10.0, 16 * 1024

#: What of a body that is too large is read and dropped, bytes: a caller who is still sending would not see our answer.
_DROPPED = 32 * 1024 * 1024

#: Large bodies that arrive at once, each in a file of its own; more of them wait, unread.
_FILES = 64
#: Large bodies that are in memory at once. As objects they take several times their size.
_IN_MEMORY = 4
#: Seconds that a large body waits for its turn.
_TURN = 30.0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Of one body: bytes, and seconds in which it must be here."""

    largest: int = MAX_BODY_BYTES
    seconds: float = BODY_TIMEOUT

    def allowed(self, received: int) -> float:
        """Return the seconds that a body may take until more of it comes, after so many bytes."""
        return min(HEAD_START + received / SLOWEST, self.seconds)


class TooLargeError(Exception):
    """A body beyond its limit."""


class ReceivedBody:
    """A body that is here: in memory, or in a file where it is large."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        """`places`: a large body takes one until it is closed."""
        self.size = 0
        self._places = places
        self._file = SpooledTemporaryFile(max_size=MAX_BODY_BYTES)  # noqa: SIM115 - closed with the body

    @property
    def large(self) -> bool:
        """Whether it is in a file."""
        return self.size > MAX_BODY_BYTES

    async def append(self, chunk: bytes) -> None:
        """Keep a part of it. Raises OSError where the disk is full."""
        if not self.large and self.size + len(chunk) > MAX_BODY_BYTES:
            await self._places.acquire()
        self.size += len(chunk)
        if self.large:
            await to_thread.run_sync(self._file.write, chunk)
        else:
            self._file.write(chunk)

    def read(self) -> bytes:
        """Return it whole. Blocks where it is large."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Forget it."""
        if self.large:
            self._places.release()
        self._file.close()


class BodyReceiver:
    """Bodies that arrive. Large ones take places, so that their files are bounded; more of them wait, unread."""

    def __init__(self, places: int = _FILES) -> None:
        """`places`: large bodies at once."""
        self._places = asyncio.Semaphore(places)
        #: Of large bodies in memory.
        self.turns = asyncio.Semaphore(_IN_MEMORY)

    async def receive(self, request: Request, limits: BodyLimits) -> ReceivedBody:
        """Receive a body, to be closed.

        Raises TooLargeError, TimeoutError where it comes too slowly, OSError where the disk is full.
        """
        body = ReceivedBody(self._places)
        try:
            await _receive(request, limits, body)
        except BaseException:
            body.close()
            raise
        return body


async def _receive(request: Request, limits: BodyLimits, body: ReceivedBody) -> None:
    clock = asyncio.get_running_loop().time
    begun, size, announced = clock(), 0, _announced(request)
    if announced > limits.largest and ("expect" in request.headers or announced > limits.largest + _DROPPED):
        raise TooLargeError  # the caller waits for our word before it sends, or sends more than is worth reading
    async with asyncio.timeout_at(begun + limits.allowed(0)) as in_time:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.largest + _DROPPED:
                break
            if size <= limits.largest:
                await body.append(chunk)
            in_time.reschedule(begun + limits.allowed(size))
    if size > limits.largest:
        raise TooLargeError


def _announced(request: Request) -> int:
    """Return the `Content-Length`, 0 for a body that comes in chunks."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0  # the server has refused longer numbers


async def read_body(request: Request, largest: int = MAX_BODY_BYTES) -> bytes:
    """Return a small body. Raises ApiError where it is too large or too slow."""
    body = await _received(request, BodyLimits(largest))
    try:
        return body.read()
    finally:
        body.close()


async def _received(request: Request, limits: BodyLimits) -> ReceivedBody:
    """Receive a body, to be closed. Raises ApiError."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ApiError(ProblemType.UNSUPPORTED, "send the body as it is, without a Content-Encoding")
    uploads: BodyReceiver = request.app.state.body_receiver
    try:
        return await uploads.receive(request, limits)
    except TooLargeError:
        detail = f"the body must not be larger than {limits.largest:,} bytes"
        raise ApiError(ProblemType.TOO_LARGE, detail, headers={"Connection": "close"}) from None
    except TimeoutError:
        detail = f"the body must arrive within {limits.seconds:g} s, and steadily"
        raise ApiError(ProblemType.TOO_SLOW, detail, headers={"Connection": "close"}) from None
    except OSError as error:
        log.warning("disk full", error=error)
        raise unavailable("the disk for large bodies") from error


def read_json(body: bytes) -> Any:
    """Return what a body holds. Raises ApiError."""
    try:
        return parse_json(body)
    except InvalidJsonError as error:
        raise rejected([FieldError("body", str(error))]) from None


def json_body(*, optional: bool = False) -> Any:
    """Return the dependency of a handler that takes JSON; `optional`: {} where there is no body."""

    async def read(request: Request) -> Any:
        body = await read_body(request)
        if optional and not body:
            return {}
        _require_json(request)
        return read_json(body)

    return Depends(read)


@asynccontextmanager
async def large_json(request: Request, limits: BodyLimits) -> AsyncIterator[Any]:
    """JSON of a size up to a limit. Raises ApiError.

    A large body is read in a thread, where it holds up nobody, and has one of few turns until the block ends.
    """
    uploads: BodyReceiver = request.app.state.body_receiver
    body = await _received(request, limits)
    try:
        _require_json(request)
        if body.large:
            async with _turn(uploads.turns):
                yield await run_in_threadpool(lambda: read_json(body.read()))
        else:
            yield read_json(body.read())
    finally:
        body.close()


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of so many at once. Raises ApiError where none comes in time."""
    try:
        await asyncio.wait_for(turns.acquire(), _TURN)
    except TimeoutError:
        raise busy(f"{_IN_MEMORY} large bodies are worked on") from None
    try:
        yield
    finally:
        turns.release()


def _require_json(request: Request) -> None:
    media, *parameters = [part.strip().lower() for part in request.headers.get("content-type", "").split(";")]
    charset = next((part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")), "utf-8")
    if media != "application/json" or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise ApiError(ProblemType.UNSUPPORTED, "send the body as Content-Type: application/json, in UTF-8")
