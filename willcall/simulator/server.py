"""The HTTP server: the providers below their prefixes, their documents, and the control API.

/funtrips/...  /tiqets/v2/...  /tixstock/v1/...  /voordemensen/v1/...  /paylogic/...
/documents/<provider>/<unguessable>.pdf
/_sim/...
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from willcall.simulator.control_api import control_routes
from willcall.simulator.documents import CONTENT_TYPES, is_signed, make_document, make_file
from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse, Transmission
from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.base import Provider
from willcall.simulator.push_sender import push_sender
from willcall.simulator.request_handler import RequestHandler
from willcall.simulator.script import DocumentScript, ProviderName
from willcall.simulator.state import SimulatorState

#: Largest request body: enough for the orders of a large load test at once.
MAX_BYTES = 256 * 1024 * 1024

#: The query parameter that counts the redirects before a document, and the cookie that some documents require.
_HOP, _COOKIE = "hop", "visitor"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(state: SimulatorState, host: str, port: int) -> AsyncIterator[int]:
    """Serve inside the block, and yield the port; the system chooses one where `port` is 0."""
    runner = web.AppRunner(
        application(state), handler_cancellation=True, access_log=None, shutdown_timeout=0.1, keepalive_timeout=75
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        chosen = int(runner.addresses[0][1])
        state.origin = f"http://{host}:{chosen}"
        async with push_sender(state):
            yield chosen
    finally:
        await runner.cleanup()
        state.ledger.close()


def application(state: SimulatorState) -> web.Application:
    app = web.Application(client_max_size=MAX_BYTES)
    for name, provider in REGISTRY.items():
        app.router.add_route("*", f"/{name}{{path:/.*}}", _provider_handler(state, name, provider))
    app.router.add_get("/documents/{provider}/{name}.{ending}", partial(_document, state))
    app.add_routes(control_routes(state))
    return app


def _provider_handler(state: SimulatorState, name: ProviderName, provider: Provider) -> Handler:
    prefix = len(name) + 1

    async def handle(request: web.Request) -> web.StreamResponse:
        handler = RequestHandler(state, provider, await _read(request, prefix))
        try:
            if handler.delay:
                await asyncio.sleep(handler.delay)
            response = await send_response(request, handler.response())
            handler.mark_sent()
        except ConnectionResetError:  # the client has closed the connection
            response = web.Response()
        finally:
            handler.close()
        return response

    return handle


async def _read(request: web.Request, prefix: int) -> SimulatedRequest:
    """Return the request in a form that is independent of aiohttp."""
    form = await request.post() if request.method == "POST" else {}
    is_json = request.content_type == "application/json"
    return SimulatedRequest(
        method=request.method,
        path=request.path[prefix:],
        query=request.query,
        headers=request.headers,
        origin=f"{request.scheme}://{request.host}",
        form={name: value for name, value in form.items() if isinstance(value, str)},
        body=await request.read() if is_json else b"",
    )


async def _document(state: SimulatorState, request: web.Request) -> web.Response:
    """Serve a document to anyone who knows its name, as long as its address has not expired."""
    name, ending, now = request.match_info["name"], request.match_info["ending"], state.clock()
    order = state.documents.get(name)
    if order is None or ending not in CONTENT_TYPES:
        raise web.HTTPNotFound
    script = order.script
    if script.link_life is not None and not is_signed(name, _signature(request), now):
        raise web.HTTPForbidden
    if now < order.known_at + script.documents_after:
        return _not_ready(script.document, name)
    redirect = _redirect(request, script.document, name)
    if redirect is not None:
        return redirect
    content = make_file(script.document.form, name) if ending == "pdf" else make_document(name, ending)
    return web.Response(body=content, content_type=CONTENT_TYPES[ending])


def _signature(request: web.Request) -> dict[str, str]:
    return {key: value for key, value in request.query.items() if key != _HOP}


def _not_ready(script: DocumentScript, name: str) -> web.Response:
    headers = {} if script.retry_after is None else {"Retry-After": str(script.retry_after)}
    if script.unready == "page":
        return web.Response(body=make_file("please_wait", name), content_type="text/html", headers=headers)
    return web.Response(status=int(script.unready), headers=headers)


def _redirect(request: web.Request, script: DocumentScript, name: str) -> web.Response | None:
    """Return the next redirect before the file, or `None` if the file follows."""
    hop = int(request.query.get(_HOP, "0"))
    if hop < script.redirects:
        return web.Response(status=302, headers={"Location": str(request.rel_url.update_query({_HOP: hop + 1}))})
    if script.cookie and request.cookies.get(_COOKIE) != name:
        response = web.Response(status=302, headers={"Location": str(request.rel_url)})
        response.set_cookie(_COOKIE, name, path="/documents")
        return response
    return None


#: Bytes of a huge body that are sent at once, and the number of pieces of a slow one.
CHUNK, DRIP_PIECES = 64 * 1024, 20


async def send_response(request: web.Request, message: SimulatedResponse) -> web.StreamResponse:
    """Send the response as its `transmission` says. A whole one is returned for aiohttp to send."""
    if message.transmission is Transmission.WHOLE:
        return web.Response(status=message.status, body=message.body, headers=_headers(message))
    if message.transmission is Transmission.RESET:
        return _reset(request)
    response = web.StreamResponse(status=message.status, headers=_headers(message))
    response.content_length = _declared_length(message)
    await response.prepare(request)
    async for chunk in _chunks(message):
        await response.write(chunk)
    if message.transmission is Transmission.CUT and request.transport:
        request.transport.close()
    return response


def _headers(message: SimulatedResponse) -> list[tuple[str, str]]:
    return [*message.headers.items(), *message.more_headers]


def _declared_length(message: SimulatedResponse) -> int:
    """Return the `Content-Length`; that of a cut response is twice what is sent."""
    return int(message.amount) if message.transmission is Transmission.HUGE else len(message.body)


async def _chunks(message: SimulatedResponse) -> AsyncIterator[bytes]:
    body = message.body
    match message.transmission:
        case Transmission.CUT:
            yield body[: len(body) // 2]
        case Transmission.HUGE:
            for start in range(0, int(message.amount), CHUNK):
                yield b" " * min(CHUNK, int(message.amount) - start)
        case Transmission.DRIP:
            step = max(len(body) // DRIP_PIECES, 1)
            for start in range(0, len(body), step):
                await asyncio.sleep(message.amount * step / len(body))
                yield body[start : start + step]


def _reset(request: web.Request) -> web.Response:
    """Close the connection with a TCP RST, as SO_LINGER of 0 seconds does."""
    transport = request.transport
    if transport:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()
