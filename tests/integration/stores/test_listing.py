"""Lists of orders: newest first, in pages that neither skip nor repeat."""

import pytest

from tests.integration.stores.conftest import ACCOUNT, Desk
from willcall.orders.model import Attention, Status
from willcall.stores.listing import Query


def walk(desk: Desk, query: Query, limit: int) -> list[str]:
    ids, cursor = [], None
    while True:
        page = desk.stores.listing.page(query, limit, cursor)
        assert len(page.orders) <= limit
        ids += [order.id for order in page.orders]
        cursor = page.next_cursor
        if cursor is None:
            return ids


@pytest.fixture
def crowd(desk: Desk) -> Desk:
    """ord-0 ... ord-9; even ones fulfilled, every third needs attention."""
    for n in range(10):
        desk.submit(f"ord-{n}")
        order = desk.go(order_id=f"ord-{n}")
        attention = Attention.MALFORMED if n % 3 == 0 else None
        if n % 2 == 0:
            desk.commit(order, status=Status.FULFILLED, finished_at=desk.now(), attention=attention)
        else:
            desk.commit(order, wake_at=desk.now() + 60, attention=attention)
    return desk


@pytest.mark.parametrize("limit", [1, 3, 10, 50])
def test_pages_give_every_order_once_newest_first(crowd: Desk, limit: int) -> None:
    assert walk(crowd, Query(), limit) == [f"ord-{n}" for n in reversed(range(10))]


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (Query(status=Status.FULFILLED), [8, 6, 4, 2, 0]),
        (Query(status=Status.FAILED), []),
        (Query(provider="tiqets", status=Status.PENDING), [9, 7, 5, 3, 1]),
        (Query(provider="paylogic"), []),
        (Query(attention=frozenset()), [9, 6, 3, 0]),
        (Query(attention=frozenset({Attention.MALFORMED}), status=Status.PENDING), [9, 3]),
        (Query(attention=frozenset({Attention.NOT_FOUND})), []),
    ],
)
def test_filters(crowd: Desk, query: Query, numbers: list[int], limit: int) -> None:
    assert walk(crowd, query, limit) == [f"ord-{n}" for n in numbers]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1" * 40, "٣"])
def test_a_cursor_of_no_list_is_refused(desk: Desk, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        desk.stores.listing.page(Query(), 5, cursor)


def test_counts_follow_the_status(crowd: Desk) -> None:
    counts = crowd.stores.listing.counts(ACCOUNT)
    assert (counts[Status.FULFILLED], counts[Status.PENDING], counts[Status.EXPIRED]) == (5, 5, 0)
    backlog = crowd.stores.listing.backlog(ACCOUNT, crowd.now())
    assert (backlog.waiting, backlog.due, backlog.held) == (5, 0, 0)
