"""Lists and feeds of clients against a model: each sees its own orders and events, all of them, once, in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import FINAL, Attention, Order, Status, can_become
from willcall.stores.commits import Commit, NewEvent
from willcall.stores.listing import OrderFilter
from willcall.stores.registry import Stores
from willcall.stores.submissions import NewOrder

if TYPE_CHECKING:
    from redis import Redis

CLIENTS = (None, "shop", "shop-2")
ACCOUNTS = ("default", "second")
REASONS = (None, Attention.MALFORMED, Attention.NOT_FOUND)

numbers = st.integers(0, 30)
steps = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(CLIENTS), st.sampled_from(ACCOUNTS)),
    st.tuples(st.just("submit"), st.sampled_from(CLIENTS), st.sampled_from(ACCOUNTS)),
    st.tuples(st.just("settle"), numbers, st.sampled_from(list(Status)), st.sampled_from(REASONS)),
    st.tuples(st.just("settle"), numbers, st.sampled_from(list(Status)), st.sampled_from(REASONS)),
    st.tuples(st.just("prune")),
)


@dataclass
class Model:
    """What was submitted, in order, and every event."""

    stores: Stores
    orders: dict[str, Order] = field(default_factory=dict)
    events: list[tuple[str | None, str]] = field(default_factory=list)
    submitted: int = 0

    def submit(self, client: str | None, account: str) -> None:
        self.submitted += 1
        order_id = f"ord-{self.submitted}"
        order = Order(order_id, "tiqets", account, order_id, Status.PENDING, 0.0, 0.0, client=client)
        self.stores.submissions.submit([NewOrder(order, "digest", 60.0)])
        self.orders[order_id] = order

    def settle(self, number: int, status: Status, reason: Attention | None) -> None:
        able = [order for order in self.orders.values() if status is order.status or can_become(order.status, status)]
        if not able:
            return
        before = self.stores.orders.get(able[number % len(able)].id)
        assert before is not None
        finished = self.stores.accounts.now() if status in FINAL else None
        after = replace(before, status=status, attention=reason, finished_at=finished)
        event = None
        if status is not before.status:
            event = NewEvent(f"evt-{len(self.events)}", f"order.{status}", {})
            self.events.append((before.client, event.id))
        assert self.stores.commits.write(Commit(before, after, event=event)) is not None
        self.orders[before.id] = after

    def prune(self) -> None:
        self.stores.orders.prune(self.stores.accounts.now() + 1, 100)
        self.orders = {order.id: order for order in self.orders.values() if order.status not in FINAL}

    def listed(self, query: OrderFilter) -> list[str]:
        """Return the ids that a list must have."""
        return [
            order.id
            for order in reversed(self.orders.values())
            if query.client in {None, order.client}
            and query.status in {None, order.status}
            and query.account in {None, order.account_key}
            and (query.attention is None or order.attention in (query.attention or {*Attention}))
        ]

    def fed(self, client: str | None) -> list[str]:
        return [event_id for owner, event_id in self.events if client in {None, owner}]


def walk(stores: Stores, query: OrderFilter, limit: int) -> Iterator[str]:
    cursor = None
    while True:
        page = stores.listing.page(query, limit, cursor)
        yield from (order.id for order in page.orders)
        cursor = page.next_cursor
        if cursor is None:
            return


def feed(stores: Stores, client: str | None, limit: int) -> Iterator[str]:
    cursor = None
    while events := stores.events.list_after(cursor, limit, client):
        assert len(events) <= limit
        yield from (event.id for event in events)
        cursor = events[-1].cursor


ANY, MALFORMED = frozenset[Attention](), frozenset({Attention.MALFORMED})
QUERIES = [
    *(OrderFilter(status, client=client) for client in CLIENTS for status in (None, *Status)),
    *(OrderFilter(attention=reasons, client=client) for client in CLIENTS for reasons in (ANY, MALFORMED)),
    *(OrderFilter(Status.PENDING, attention=ANY, client=client) for client in CLIENTS),
    *(OrderFilter(account="tiqets/default", client=client) for client in CLIENTS),
]


@pytest.fixture
def stores(redis_server: EmbeddedRedis) -> Stores:
    return Stores.connect(redis_server.url)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=8, max_size=25), st.integers(1, 4))
def test_a_client_lists_its_own_orders_and_events(
    redis: "Redis", stores: Stores, history: Sequence[tuple[object, ...]], limit: int
) -> None:
    redis.flushdb()
    model = Model(stores)
    for name, *arguments in history:
        getattr(model, str(name))(*arguments)
    for query in QUERIES:
        assert [*walk(model.stores, query, limit)] == model.listed(query)
    for client in CLIENTS:
        assert [*feed(model.stores, client, limit)] == model.fed(client)
        counted = model.stores.listing.counts("tiqets/default", client)
        for status in Status:
            assert counted[status] == len(model.listed(OrderFilter(status, account="tiqets/default", client=client)))
