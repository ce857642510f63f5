"""Receives request bodies of limited size, within limited time and memory.

While a body arrives, its request has no slot (see `willcall.api.middleware`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

import structlog
from anyio import to_thread
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from willcall.api.problems import ProblemError, ProblemType, busy, rejected, unavailable
from willcall.orders.errors import FieldError
from willcall.orders.strict_json import InvalidJsonError, parse_json

log = structlog.get_logger(__name__)

#: Largest body of most calls. A larger body is written to a file while it arrives.
MAX_BODY_BYTES = 64 * 1024
MAX_BATCH_BYTES = 16 * 1024 * 1024

#: Seconds in which any body must be complete.
BODY_TIMEOUT = 30.0
#: Seconds in which a body must begin, and bytes per second at which it must continue.
HEAD_START, SLOWEST = 10.0, 16 * 1024

#: Bytes of a too large body that are read and dropped: clients that are still sending do not read the response.
_MAX_DRAINED = 32 * 1024 * 1024

#: Bytes of a body that are read from its file at a time.
_CHUNK = 256 * 1024
#: Large bodies that are received at once, each into its own file; more of them wait, unread.
_MAX_FILES = 64
#: Large bodies in memory at once. Parsed, they take several times their size.
_MAX_IN_MEMORY = 4
#: Seconds that a large body waits for a slot in memory.
_MEMORY_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of one body: bytes, and seconds until it is complete."""

    max_bytes: int = MAX_BODY_BYTES
    seconds: float = BODY_TIMEOUT

    def allowed(self, received: int) -> float:
        """Return how many seconds the body may take until more than `received` bytes are here."""
        return min(HEAD_START + received / SLOWEST, self.seconds)


class TooLargeError(Exception):
    """The body exceeds its limit."""


class ReceivedBody:
    """A complete body, in memory or, if it is large, in a file."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        """A large body holds one of the `slots` until it is closed."""
        self.size = 0
        self._slots = slots
        self._file = SpooledTemporaryFile(max_size=MAX_BODY_BYTES)  # noqa: SIM115 - closed with the body

    @property
    def large(self) -> bool:
        """Whether the body is in a file."""
        return self.size > MAX_BODY_BYTES

    async def append(self, chunk: bytes) -> None:
        """Raises OSError if the disk is full."""
        if not self.large and self.size + len(chunk) > MAX_BODY_BYTES:
            await self._slots.acquire()
        self.size += len(chunk)
        if self.large:
            await to_thread.run_sync(self._file.write, chunk)
        else:
            self._file.write(chunk)

    def read(self) -> bytes:
        """Return the whole body. Blocks if it is large."""
        self._file.seek(0)
        return self._file.read()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in parts, so that a large one is never in memory as a whole."""
        self._file.seek(0)
        while chunk := await to_thread.run_sync(self._file.read, _CHUNK):
            yield chunk

    def close(self) -> None:
        if self.large:
            self._slots.release()
        self._file.close()


class BodyReceiver:
    """Receives bodies. Large ones need a slot, which limits their files; the rest wait, unread."""

    def __init__(self, slots: int = _MAX_FILES) -> None:
        """`slots`: large bodies at once."""
        self._slots = asyncio.Semaphore(slots)
        #: For large bodies in memory.
        self.memory_slots = asyncio.Semaphore(_MAX_IN_MEMORY)

    async def receive(self, request: Request, limits: BodyLimits) -> ReceivedBody:
        """Return a body, which the caller closes.

        Raises TooLargeError, TimeoutError if it arrives too slowly, OSError if the disk is full.
        """
        body = ReceivedBody(self._slots)
        try:
            await _receive(request, limits, body)
        except BaseException:
            body.close()
            raise
        return body


async def _receive(request: Request, limits: BodyLimits, body: ReceivedBody) -> None:
    clock = asyncio.get_running_loop().time
    begun, size, announced = clock(), 0, _announced(request)
    if announced > limits.max_bytes and ("expect" in request.headers or announced > limits.max_bytes + _MAX_DRAINED):
        raise TooLargeError  # the client waits for `100 Continue`, or the rest is too long to read
    async with asyncio.timeout_at(begun + limits.allowed(0)) as in_time:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.max_bytes + _MAX_DRAINED:
                break
            if size <= limits.max_bytes:
                await body.append(chunk)
            in_time.reschedule(begun + limits.allowed(size))
    if size > limits.max_bytes:
        raise TooLargeError


def _announced(request: Request) -> int:
    """Return the `Content-Length`, 0 for a chunked body."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0  # the server has refused longer numbers


async def read_body(request: Request, largest: int = MAX_BODY_BYTES) -> bytes:
    """Return a small body. Raises ApiError."""
    body = await received_body(request, BodyLimits(largest))
    try:
        return body.read()
    finally:
        body.close()


async def received_body(request: Request, limits: BodyLimits) -> ReceivedBody:
    """Return a body, which the caller closes. Raises ApiError."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ProblemError(ProblemType.UNSUPPORTED, "send the body without Content-Encoding")
    receiver: BodyReceiver = request.app.state.body_receiver
    try:
        return await receiver.receive(request, limits)
    except TooLargeError:
        detail = f"the body must not exceed {limits.max_bytes:,} bytes"
        raise ProblemError(ProblemType.TOO_LARGE, detail, headers={"Connection": "close"}) from None
    except TimeoutError:
        detail = f"the body must arrive steadily, within {limits.seconds:g} s"
        raise ProblemError(ProblemType.TOO_SLOW, detail, headers={"Connection": "close"}) from None
    except OSError as error:
        log.warning("disk full", error=error)
        raise unavailable("The disk for large bodies") from error


def read_json(body: bytes) -> Any:
    """Raises ApiError."""
    try:
        return parse_json(body)
    except InvalidJsonError as error:
        raise rejected([FieldError("body", str(error))]) from None


def json_body(*, optional: bool = False) -> Any:
    """Return a dependency that reads a JSON body; with `optional`, a missing body is `{}`."""

    async def read(request: Request) -> Any:
        body = await read_body(request)
        if optional and not body:
            return {}
        _require_json(request)
        return read_json(body)

    return Depends(read)


@asynccontextmanager
async def large_json(request: Request, limits: BodyLimits) -> AsyncIterator[Any]:
    """Read JSON of limited size. Raises ApiError.

    A large body is parsed in a thread, and holds one of few slots until the block ends.
    """
    receiver: BodyReceiver = request.app.state.body_receiver
    body = await received_body(request, limits)
    try:
        _require_json(request)
        if body.large:
            async with _slot(receiver.memory_slots):
                yield await run_in_threadpool(lambda: read_json(body.read()))
        else:
            yield read_json(body.read())
    finally:
        body.close()


@asynccontextmanager
async def _slot(slots: asyncio.Semaphore) -> AsyncIterator[None]:
    """Hold one of the slots. Raises ApiError if none is free in time."""
    try:
        await asyncio.wait_for(slots.acquire(), _MEMORY_WAIT)
    except TimeoutError:
        raise busy(f"{_MAX_IN_MEMORY} large bodies are being processed") from None
    try:
        yield
    finally:
        slots.release()


def _require_json(request: Request) -> None:
    media, *parameters = [part.strip().lower() for part in request.headers.get("content-type", "").split(";")]
    charset = next((part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")), "utf-8")
    if media != "application/json" or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise ProblemError(ProblemType.UNSUPPORTED, "send the body as Content-Type: application/json, in UTF-8")
