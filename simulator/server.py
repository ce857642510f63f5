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

from simulator.control_api import control_routes
from simulator.delivery import deliver
from simulator.documents import TYPES, document, is_signed
from simulator.exchange import Exchange
from simulator.providers import REGISTRY
from simulator.providers.base import Provider
from simulator.pusher import pushing
from simulator.script import ProviderName
from simulator.wire import Call
from simulator.world import World

#: Of a request's body: enough for the orders of a large load run in one go.
MAX_BYTES = 256 * 1024 * 1024

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
    if order is None or ending not in TYPES or now < order.known_at + order.script.documents_after:
        raise web.HTTPNotFound
    if order.script.link_life is not None and not is_signed(name, request.query, now):
        raise web.HTTPForbidden
    return web.Response(body=document(name, ending), content_type=TYPES[ending])
