"""The HTTP server: providers under their prefixes, their documents, and the control API.

/funtrips/...  /tiqets/v2/...  /tixstock/v1/...  /voordemensen/v1/...  /paylogic/...
/documents/<provider>/<unguessable>.pdf
/_sim/...
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from willcall.simulator.control_api import control_routes
from willcall.simulator.delivery import deliver
from willcall.simulator.documents import TYPES, document, is_signed
from willcall.simulator.exchange import Exchange
from willcall.simulator.file_forms import file_of
from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.base import Provider
from willcall.simulator.pusher import pushing
from willcall.simulator.script import DocumentScript, ProviderName
from willcall.simulator.wire import Call
from willcall.simulator.world import World

#: Of a request's body: enough for the orders of a large load run in one go.
MAX_BYTES = 256 * 1024 * 1024

#: In a document's address, which of its redirects have been followed; and the cookie that some ask for.
_HOP, _COOKIE = "hop", "visitor"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(world: World, host: str, port: int) -> AsyncIterator[int]:
    """Serve inside the block; gives the port, which the system chooses where `port` is 0."""
    runner = web.AppRunner(
        application(world), handler_cancellation=True, access_log=None, shutdown_timeout=0.1, keepalive_timeout=75
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        chosen = int(runner.addresses[0][1])
        world.origin = f"http://{host}:{chosen}"
        async with pushing(world):
            yield chosen
    finally:
        await runner.cleanup()
        world.ledger.close()


def application(world: World) -> web.Application:
    """The routes."""
    app = web.Application(client_max_size=MAX_BYTES)
    for name, provider in REGISTRY.items():
        app.router.add_route("*", f"/{name}{{path:/.*}}", _provider_handler(world, name, provider))
    app.router.add_get("/documents/{provider}/{name}.{ending}", partial(_document, world))
    app.add_routes(control_routes(world))
    return app


def _provider_handler(world: World, name: ProviderName, provider: Provider) -> Handler:
    """The handler of all of one provider's paths."""
    prefix = len(name) + 1

    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = Exchange(world, provider, await _read(request, prefix))
        try:
            if exchange.silence:
                await asyncio.sleep(exchange.silence)
            response = await deliver(request, exchange.answer())
            exchange.sent()
        except ConnectionResetError:  # the client has turned away: nobody is there to be told
            response = web.Response()
        finally:
            exchange.close()
        return response

    return handle


async def _read(request: web.Request, prefix: int) -> Call:
    """The request without its HTTP library."""
    form = await request.post() if request.method == "POST" else {}
    return Call(
        method=request.method,
        path=request.path[prefix:],
        query=request.query,
        headers=request.headers,
        origin=f"{request.scheme}://{request.host}",
        form={name: value for name, value in form.items() if isinstance(value, str)},
    )


async def _document(world: World, request: web.Request) -> web.Response:
    """A document, to whoever knows its name, and while its address is good."""
    name, ending, now = request.match_info["name"], request.match_info["ending"], world.clock()
    order = world.documents.get(name)
    if order is None or ending not in TYPES:
        raise web.HTTPNotFound
    script = order.script
    if script.link_life is not None and not is_signed(name, _signature(request), now):
        raise web.HTTPForbidden
    if now < order.known_at + script.documents_after:
        return _unready(script.document, name)
    detour = _detour(request, script.document, name)
    if detour is not None:
        return detour
    content = file_of(script.document.form, name) if ending == "pdf" else document(name, ending)
    return web.Response(body=content, content_type=TYPES[ending])


def _signature(request: web.Request) -> dict[str, str]:
    return {key: value for key, value in request.query.items() if key != _HOP}


def _unready(script: DocumentScript, name: str) -> web.Response:
    """What is answered before the file is made."""
    headers = {} if script.retry_after is None else {"Retry-After": str(script.retry_after)}
    if script.unready == "page":
        return web.Response(body=file_of("please_wait", name), content_type="text/html", headers=headers)
    return web.Response(status=int(script.unready), headers=headers)


def _detour(request: web.Request, script: DocumentScript, name: str) -> web.Response | None:
    """The redirect that stands before the file, None where the file is next."""
    hop = int(request.query.get(_HOP, "0"))
    if hop < script.redirects:
        return web.Response(status=302, headers={"Location": str(request.rel_url.update_query({_HOP: hop + 1}))})
    if script.cookie and request.cookies.get(_COOKIE) != name:
        response = web.Response(status=302, headers={"Location": str(request.rel_url)})
        response.set_cookie(_COOKIE, name, path="/documents")
        return response
    return None
