"""The control API below `/_sim/`: JSON both ways; invalid input is a 422 with `error`."""

from collections.abc import Callable, Iterable
from functools import partial

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from willcall.simulator.accounts import SimulatedAccount
from willcall.simulator.script import PROVIDERS, AccountUpdate, OrderScript, PushScript
from willcall.simulator.state import ScriptError, SimulatorState

ORDERS = TypeAdapter(list[OrderScript])
PUSHES = TypeAdapter(list[PushScript])


def control_routes(state: SimulatorState) -> Iterable[web.RouteDef]:
    return [
        web.get("/_sim/healthz", _healthy),
        web.post("/_sim/orders", partial(_add_orders, state.add_orders)),
        web.put("/_sim/orders", partial(_add_orders, state.set_orders)),
        web.get("/_sim/orders", partial(_orders, state)),
        web.get("/_sim/issued", partial(_issued, state)),
        web.get("/_sim/ledger", partial(_ledger, state)),
        web.post("/_sim/pushes/{provider}/{account}/{reference}", partial(_push, state)),
        web.get("/_sim/pushes", partial(_pushes, state)),
        web.get("/_sim/verdict", partial(_verdict, state)),
        web.post("/_sim/accounts/{provider}/{account}", partial(_update_account, state)),
        web.post("/_sim/reset", partial(_reset, state)),
    ]


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _add_orders(add: Callable[[list[OrderScript]], None], request: web.Request) -> web.Response:
    """Add a list of order scripts; their clocks start now. PUT takes references that exist already."""
    try:
        orders = ORDERS.validate_json(await request.read())
        add(orders)
    except (ValidationError, ScriptError) as mistake:
        return _invalid(mistake)
    return web.json_response({"added": len(orders)}, status=201)


async def _orders(state: SimulatorState, _: web.Request) -> web.Response:
    """List the scripted orders: final status, reported statuses, number of requests."""
    return web.json_response({"items": [order.as_json() for order in state.orders()]})


async def _issued(state: SimulatorState, _: web.Request) -> web.Response:
    """List everything that only the client may see."""
    return web.json_response({"items": state.issued_secrets()})


async def _ledger(state: SimulatorState, request: web.Request) -> web.Response:
    """List entries after the number `after`, of one `provider` or `reference` where given."""
    wanted = {name: request.query[name] for name in ("provider", "reference") if name in request.query}
    after = int(request.query.get("after", "0"))
    items = [
        entry.as_json()
        for entry in state.ledger.entries
        if entry.number > after and all(getattr(entry, name) == value for name, value in wanted.items())
    ]
    return web.json_response({"items": items})


async def _push(state: SimulatorState, request: web.Request) -> web.Response:
    """Schedule a list of pushes about one order; their clocks start now."""
    account = _account(state, request)
    order = account.orders.get(request.match_info["reference"]) if account else None
    if account is None or order is None:
        return web.json_response({"error": "no such order"}, status=404)
    try:
        scripts = PUSHES.validate_json(await request.read())
        for script in scripts:
            script.check(account.script.provider, order.script.quantity)
    except ValueError as mistake:
        return _invalid(mistake)
    state.schedule_pushes(account, order, scripts)
    return web.json_response({"scheduled": len(scripts)}, status=202)


async def _pushes(state: SimulatorState, request: web.Request) -> web.Response:
    """List the pushes sent so far, of one `provider` or `reference` where given."""
    wanted = {name: request.query[name] for name in ("provider", "reference") if name in request.query}
    items = [entry for entry in state.ledger.pushes if all(getattr(entry, name) == wanted[name] for name in wanted)]
    return web.json_response({"items": [entry.as_json() for entry in items]})


async def _verdict(state: SimulatorState, _: web.Request) -> web.Response:
    return web.json_response(state.verdict())


async def _update_account(state: SimulatorState, request: web.Request) -> web.Response:
    """Apply the given fields of an `AccountUpdate`."""
    account = _account(state, request)
    if account is None:
        return web.json_response({"error": "no such account"}, status=404)
    try:
        state.update_account(account, AccountUpdate.model_validate_json(await request.read()))
    except ValidationError as mistake:
        return _invalid(mistake)
    return web.json_response(account.script.model_dump(exclude={"credentials"}))


async def _reset(state: SimulatorState, _: web.Request) -> web.Response:
    """Delete the ledger's entries; orders, accounts and their limits stay."""
    state.ledger.entries.clear()
    state.ledger.pushes.clear()
    return web.json_response({"ok": True})


def _account(state: SimulatorState, request: web.Request) -> SimulatedAccount | None:
    provider = next((known for known in PROVIDERS if known == request.match_info["provider"]), None)
    return state.accounts.get((provider, request.match_info["account"])) if provider else None


def _invalid(mistake: ValueError) -> web.Response:
    return web.json_response({"error": str(mistake)}, status=422)
