"""Lists of orders: newest first, in pages that neither skip nor repeat."""

import pytest

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from willcall.orders.model import Attention, Status
from willcall.stores import keys, listing
from willcall.stores.listing import OrderFilter


def walk(harness: StoreHarness, query: OrderFilter, limit: int) -> list[str]:
    ids, cursor = [], None
    while True:
        page = harness.stores.listing.page(query, limit, cursor)
        assert len(page.orders) <= limit
        ids += [order.id for order in page.orders]
        cursor = page.next_cursor
        if cursor is None:
            return ids


@pytest.fixture
def crowd(harness: StoreHarness) -> StoreHarness:
    """ord-0 ... ord-9; even ones fulfilled, every third needs attention."""
    for n in range(10):
        harness.submit(f"ord-{n}")
        order = harness.go(order_id=f"ord-{n}")
        attention = Attention.MALFORMED if n % 3 == 0 else None
        if n % 2 == 0:
            harness.commit(order, status=Status.FULFILLED, finished_at=harness.now(), attention=attention)
        else:
            harness.commit(order, due_at=harness.now() + 60, attention=attention)
    return harness


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
def test_pages_give_every_order_once_newest_first(crowd: StoreHarness, limit: int) -> None:
    assert walk(crowd, OrderFilter(), limit) == [f"ord-{n}" for n in reversed(range(10))]


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (OrderFilter(status=Status.FULFILLED), [8, 6, 4, 2, 0]),
        (OrderFilter(status=Status.FAILED), []),
        (OrderFilter(provider="tiqets", status=Status.PENDING), [9, 7, 5, 3, 1]),
        (OrderFilter(provider="paylogic"), []),
        (OrderFilter(attention=frozenset()), [9, 6, 3, 0]),
        (OrderFilter(attention=frozenset({Attention.MALFORMED}), status=Status.PENDING), [9, 3]),
        (OrderFilter(attention=frozenset({Attention.NOT_FOUND})), []),
    ],
)
def test_orders_are_filtered(crowd: StoreHarness, query: OrderFilter, numbers: list[int], limit: int) -> None:
    assert walk(crowd, query, limit) == [f"ord-{n}" for n in numbers]


@pytest.mark.parametrize("limit", [1, 50])
def test_accounts_of_a_provider_are_listed_separately(crowd: StoreHarness, limit: int) -> None:
    crowd.submit("second-1", account="second")
    crowd.submit("second-2", account="second")
    crowd.redis.hset(keys.order("second-2"), "attention", "malformed")
    crowd.redis.zadd(keys.attention("tiqets/second", Attention.MALFORMED), {"second-2": 12})
    assert walk(crowd, OrderFilter(account="tiqets/second"), limit) == ["second-2", "second-1"]
    assert walk(crowd, OrderFilter(account="tiqets/second", attention=frozenset()), limit) == ["second-2"]
    assert walk(crowd, OrderFilter(account=ACCOUNT, attention=frozenset()), limit) == [f"ord-{n}" for n in (9, 6, 3, 0)]
    assert walk(crowd, OrderFilter(account=ACCOUNT), limit) == [f"ord-{n}" for n in reversed(range(10))]
    assert walk(crowd, OrderFilter(provider="paylogic", account=ACCOUNT), limit) == []


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1" * 40, "٣"])
def test_an_invalid_list_cursor_is_rejected(harness: StoreHarness, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        harness.stores.listing.page(OrderFilter(), 5, cursor)


def test_orders_of_a_reason_and_a_status_are_found_beyond_one_batch(
    crowd: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOK", 1)
    query = OrderFilter(attention=frozenset({Attention.MALFORMED}), status=Status.FULFILLED)
    assert walk(crowd, query, 2) == walk(crowd, query, 1) == ["ord-6", "ord-0"]


def test_counts_follow_the_status(crowd: StoreHarness) -> None:
    counts = crowd.stores.listing.counts(ACCOUNT)
    assert (counts[Status.FULFILLED], counts[Status.PENDING], counts[Status.EXPIRED]) == (5, 5, 0)
    backlog = crowd.stores.listing.backlog(ACCOUNT, crowd.now())
    assert (backlog.waiting, backlog.due, backlog.held) == (5, 0, 0)


def test_a_summary_names_the_newest_and_counts_all(crowd: StoreHarness) -> None:
    survey = crowd.stores.listing.attention_summary(parked=(), limit=3)
    assert [order.id for order in survey.orders] == ["ord-9", "ord-6", "ord-3"]
    assert (survey.counts, survey.total) == ({(ACCOUNT, Attention.MALFORMED): 4}, 4)


def test_a_summary_counts_orders_of_a_rejected_account_without_naming_them(crowd: StoreHarness) -> None:
    crowd.submit("refused")
    crowd.commit(crowd.go(order_id="refused"), due_at=crowd.now() + 60, attention=Attention.UNAUTHORIZED)
    named = crowd.stores.listing.attention_summary(parked={ACCOUNT}, limit=1)
    assert [order.id for order in named.orders] == ["ord-9"]
    assert named.counts[ACCOUNT, Attention.UNAUTHORIZED] == 1
    alone = crowd.stores.listing.attention_summary(parked=(), limit=1)
    assert [order.id for order in alone.orders] == ["refused"]
