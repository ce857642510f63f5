"""Putting an answer onto the wire, whole or not."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

from aiohttp import web

from willcall.simulator.wire import Answer, Manner

CHUNK = 64 * 1024
DRIPS = 20


async def deliver(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send the answer in its manner. A whole one is only prepared; the server sends it right after."""
    if answer.manner is Manner.WHOLE:
        return web.Response(status=answer.status, body=answer.body, headers=_headers(answer))
    if answer.manner is Manner.RESET:
        return _reset(request)
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = _promised_length(answer)
    await response.prepare(request)
    async for chunk in _chunks(answer):
        await response.write(chunk)
    if answer.manner is Manner.CUT and request.transport:
        request.transport.close()
    return response


def _headers(answer: Answer) -> list[tuple[str, str]]:
    return [*answer.headers.items(), *answer.more_headers]


def _promised_length(answer: Answer) -> int:
    """The `Content-Length`; a cut answer promises twice of what it sends."""
    return int(answer.amount) if answer.manner is Manner.HUGE else len(answer.body)


async def _chunks(answer: Answer) -> AsyncIterator[bytes]:
    """The body in pieces."""
    body = answer.body
    match answer.manner:
        case Manner.CUT:
            yield body[: len(body) // 2]
        case Manner.HUGE:
            for start in range(0, int(answer.amount), CHUNK):
                yield b" " * min(CHUNK, int(answer.amount) - start)
        case Manner.DRIP:
            step = max(len(body) // DRIPS, 1)
            for start in range(0, len(body), step):
                await asyncio.sleep(answer.amount * step / len(body))
                yield body[start : start + step]


def _reset(request: web.Request) -> web.Response:
    """Close the connection with a TCP RST: lingering for 0 seconds discards what was not sent."""
    transport = request.transport
    if transport:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()
