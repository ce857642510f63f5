"""The state that the last releases have left: this code reads every key of it, and brings every order to its end."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from bench.upgrade.state_dump import dump, load
from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.virtual_time import START, World, simulated
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import OPEN, Order, Status
from willcall.orders.outcomes import Issued
from willcall.simulator.account_tables import to_toml
from willcall.stores import keys
from willcall.stores.listing import OrderFilter
from willcall.usecases.accounts import resume
from willcall.views.accounts import account_schema, view_account

FOLDER = Path(__file__).parents[1] / "fixtures" / "released-state"
STATES = sorted(FOLDER.glob("*.json"))


def configuration(accounts: Sequence[str]) -> str:
    providers: dict[str, dict[str, Any]] = {}
    credentials = {
        "tiqets": {"api_key": "test-key"},
        "tixstock": {"bearer_token": "test-token"},
        "voordemensen": {"client_name": "theatre"},
        "paylogic": {"username": "u", "password": "test-password"},
        "funtrips": {"base_url": "http://127.0.0.1:9", "public_bearer": "test-token"},
    }
    for key in accounts:
        provider, _, name = key.partition("/")
        providers.setdefault(provider, {})[name] = credentials[provider] | {"base_url": "http://127.0.0.1:9"}
    return to_toml({"providers": providers})


@pytest.fixture(params=STATES, ids=lambda path: path.stem)
def state(
    request: pytest.FixtureRequest, redis: Redis, redis_server: EmbeddedRedis
) -> Iterator[tuple[World, dict[str, Any]]]:
    redis.flushdb()
    document = load(redis, request.param)
    with simulated(redis, redis_server.url, configuration(document["accounts"])) as made:
        made.set_clock(document["at"] / 1_000 - START)
        yield made, document


def orders_of(made: World, document: dict[str, Any]) -> dict[str, Order]:
    return {order_id: made.order(order_id) for order_id in document["orders"] if _is_submitted(made, order_id)}


def _is_submitted(made: World, order_id: str) -> bool:
    return bool(made.redis.exists(keys.order(order_id)))


def test_a_state_is_stored_for_the_tests() -> None:
    assert STATES


def test_everything_in_it_can_be_read_and_shown(state: tuple[World, dict[str, Any]]) -> None:
    made, document = state
    stores, orders = made.context.stores, orders_of(made, document)
    stores.schema.open()
    assert {order.status for order in orders.values()} >= {Status.PENDING, Status.FULFILLED, Status.EXPIRED}
    listed = stores.listing.page(OrderFilter(), 1_000)
    assert {order.id for order in listed.orders} == set(orders)
    for order in orders.values():
        assert all(attempt.outcome for attempt in stores.orders.timeline(order.id))
        stores.deliveries.get(order.id)
    assert {event.order_id for event in stores.events.list_after(None, 1_000)} <= set(orders)
    for account in made.context.accounts.values():
        account_schema(view_account(stores, account, made.redis.time()[0]))
    assert stores.dead_letters.count() == 1
    assert list(stores.inbox.list_all())
    assert None not in stores.fetches.progress([one for one, _ in stores.fetches.oldest(100)])


def with_more(value: Any) -> Any:
    """Return a JSON value with another member in each object and another element in each row of plain values."""
    if isinstance(value, dict):
        return {name: with_more(member) for name, member in value.items()} | {"added": {"later": 1}}
    if isinstance(value, list) and value and not any(isinstance(item, dict) for item in value):
        return [*value, "added later"]
    return [with_more(item) for item in value] if isinstance(value, list) else value


def test_what_the_next_release_adds_is_ignored(state: tuple[World, dict[str, Any]]) -> None:
    """It may run beside this one."""
    made, document = state
    raw, stores, orders = made.redis, made.context.stores, orders_of(made, document)
    for order_id in orders:
        raw.hset(keys.order(order_id), mapping={"added": "later", "attention": "added later"})
        for key in filter(raw.exists, (keys.spec(order_id), keys.tickets(order_id))):
            raw.set(key, json.dumps(with_more(json.loads(str(raw.get(key))))))
        for key in (keys.attempts(order_id), keys.delivery_attempts(order_id)):
            lines = raw.lrange(key, 0, -1)
            raw.delete(key)
            raw.rpush(key, *[json.dumps(with_more(json.loads(line))) for line in lines], "[0, 1, 2, 3, 4, 5, 6]")
    for sweep, run in raw.hgetall(keys.SWEEPS).items():
        raw.hset(keys.SWEEPS, mapping={sweep: json.dumps([*json.loads(run), "added later"]), "added later": run})
    for order_id, order in orders_of(made, document).items():
        assert [replace(ticket, extra={}) for ticket in order.tickets] == [
            replace(ticket, extra={}) for ticket in orders[order_id].tickets
        ]
        assert order.attention is None
        assert stores.orders.timeline(order_id)
        stores.deliveries.attempts(order_id)
    assert stores.sweeps.last_runs()
    assert run_sweep(made.context, "added later") is None


def test_its_orders_are_listed_by_their_last_change(state: tuple[World, dict[str, Any]]) -> None:
    made, document = state
    orders = orders_of(made, document)
    run_sweep(made.context, "lists")
    listed = made.context.stores.listing.page(OrderFilter(updated_since=0.0), 1_000).orders
    assert {order.id for order in listed} == set(orders)
    assert sorted(listed, key=lambda order: (order.updated_at, order.id)) == listed
    assert run_sweep(made.context, "lists") == {"relisted": 0}


def test_its_orders_go_on_to_their_end(state: tuple[World, dict[str, Any]]) -> None:
    made, document = state
    before = {order_id for order_id, order in orders_of(made, document).items() if order.status in OPEN}
    made.answers = lambda _order, _at: Issued(tickets=())
    for account in made.context.accounts.values():
        resume(made.context, account, ANNA, override=True)
    made.run(made.now + 4_000)
    for name in ("reconcile", "documents", "notify", "inbox", "prune"):
        run_sweep(made.context, name)
    ended = orders_of(made, document)
    assert before
    assert {ended[order_id].status for order_id in before} == {Status.FULFILLED}
    assert not made.open_orders()


def test_a_dump_is_what_was_loaded(
    state: tuple[World, dict[str, Any]], redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    document = state[1]
    with Redis.from_url(redis_server.url) as raw:
        dump(raw, tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert {name: record["value"] for name, record in again["keys"].items()} == {
        name: record["value"] for name, record in document["keys"].items()
    }
