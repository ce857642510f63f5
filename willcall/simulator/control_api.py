"""The simulator's own paths under `/_sim/`, JSON both ways; a mistake is a 422 with `error`."""

from collections.abc import Iterable
from functools import partial

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from willcall.simulator.accounts import Account
from willcall.simulator.push_script import PushScript
from willcall.simulator.script import PROVIDERS, AccountChange, OrderScript
from willcall.simulator.world import ScriptError, World

ORDERS = TypeAdapter(list[OrderScript])
PUSHES = TypeAdapter(list[PushScript])


def control_routes(world: World) -> Iterable[web.RouteDef]:
    """The routes of the control API."""
    return [
        web.get("/_sim/healthz", _healthy),
        web.post("/_sim/orders", partial(_add_orders, world)),
        web.get("/_sim/orders", partial(_orders, world)),
        web.get("/_sim/issued", partial(_issued, world)),
        web.get("/_sim/ledger", partial(_ledger, world)),
        web.post("/_sim/pushes/{provider}/{account}/{reference}", partial(_push, world)),
        web.get("/_sim/pushes", partial(_pushes, world)),
        web.get("/_sim/verdict", partial(_verdict, world)),
        web.post("/_sim/accounts/{provider}/{account}", partial(_change_account, world)),
        web.post("/_sim/reset", partial(_reset, world)),
    ]


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _add_orders(world: World, request: web.Request) -> web.Response:
    """Takes a list of order scripts; their clocks start now."""
    try:
        orders = ORDERS.validate_json(await request.read())
        world.add_orders(orders)
    except (ValidationError, ScriptError) as mistake:
        return _refusal(mistake)
    return web.json_response({"added": len(orders)}, status=201)


async def _orders(world: World, _: web.Request) -> web.Response:
    """Every scripted order: what it ends as, what was told of it and how often it was asked for."""
    return web.json_response({"items": [order.as_json() for order in world.orders()]})


async def _issued(world: World, _: web.Request) -> web.Response:
    """Everything that nobody but the client may see."""
    return web.json_response({"items": world.issued()})


async def _ledger(world: World, request: web.Request) -> web.Response:
    """Entries after the number `after`, of one `provider` or `reference` where given."""
    wanted = {name: request.query[name] for name in ("provider", "reference") if name in request.query}
    after = int(request.query.get("after", "0"))
    items = [
        entry.as_json()
        for entry in world.ledger.entries
        if entry.number > after and all(getattr(entry, name) == value for name, value in wanted.items())
    ]
    return web.json_response({"items": items})


async def _push(world: World, request: web.Request) -> web.Response:
    """Takes a list of push scripts of one order; their clocks start now."""
    account = _account(world, request)
    order = account.orders.get(request.match_info["reference"]) if account else None
    if account is None or order is None:
        return web.json_response({"error": "no such order"}, status=404)
    try:
        scripts = PUSHES.validate_json(await request.read())
        for script in scripts:
            script.check(account.script.provider, order.script.quantity)
    except ValueError as mistake:
        return _refusal(mistake)
    world.push(account, order, scripts)
    return web.json_response({"planned": len(scripts)}, status=202)


async def _pushes(world: World, request: web.Request) -> web.Response:
    """The calls that were made so far, of one `provider` or `reference` where given."""
    wanted = {name: request.query[name] for name in ("provider", "reference") if name in request.query}
    items = [entry for entry in world.ledger.pushes if all(getattr(entry, name) == wanted[name] for name in wanted)]
    return web.json_response({"items": [entry.as_json() for entry in items]})


async def _verdict(world: World, _: web.Request) -> web.Response:
    return web.json_response(world.verdict())


async def _change_account(world: World, request: web.Request) -> web.Response:
    """Takes the fields of an `AccountChange` that are to change."""
    account = _account(world, request)
    if account is None:
        return web.json_response({"error": "no such account"}, status=404)
    try:
        world.change(account, AccountChange.model_validate_json(await request.read()))
    except ValidationError as mistake:
        return _refusal(mistake)
    return web.json_response(account.script.model_dump(exclude={"credentials"}))


async def _reset(world: World, _: web.Request) -> web.Response:
    """Forget the entries so far; orders, accounts and what they allow stay."""
    world.ledger.entries.clear()
    world.ledger.pushes.clear()
    return web.json_response({"ok": True})


def _account(world: World, request: web.Request) -> Account | None:
    """The account in the path."""
    provider = next((known for known in PROVIDERS if known == request.match_info["provider"]), None)
    return world.accounts.get((provider, request.match_info["account"])) if provider else None


def _refusal(mistake: ValueError) -> web.Response:
    return web.json_response({"error": str(mistake)}, status=422)
