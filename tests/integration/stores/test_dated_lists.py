"""Lists of orders by event and by their last change: exact pages, and nothing outdated."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from tests.waiting import wait_until
from willcall.orders.model import OPEN, Attention, Status
from willcall.stores import dated_lists, keys, listing
from willcall.stores.listing import OrderFilter

EVENT = 1_900_000_000.0


def pages(harness: StoreHarness, query: OrderFilter, limit: int = 2) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = harness.stores.listing.page(query, limit, cursor)
        assert len(page.orders) <= limit
        yield [order.id for order in page.orders]
        cursor = page.next_cursor
        if cursor is None:
            return


def walk(harness: StoreHarness, query: OrderFilter, limit: int = 2) -> list[str]:
    return [order_id for page in pages(harness, query, limit) for order_id in page]


def end(harness: StoreHarness, order_id: str, status: Status = Status.FULFILLED) -> None:
    harness.commit(harness.go(order_id=order_id), status=status, finished_at=harness.now())


@pytest.fixture
def evening(harness: StoreHarness) -> StoreHarness:
    """Three orders of one performance, one of the matinee, one of another account, and one without an event."""
    for name, at in (("c", 20), ("a", 20), ("b", 20), ("matinee", 14)):
        harness.submit(name, event_at=EVENT + at, group="hamlet" if name in "ab" else None)
    harness.submit("elsewhere", account="second", event_at=EVENT + 17)
    harness.submit("some day")
    return harness


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_orders_of_one_moment_are_listed_once_each_whatever_the_page(evening: StoreHarness, limit: int) -> None:
    assert walk(evening, OrderFilter(event_before=EVENT + 21), limit) == ["matinee", "elsewhere", "a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (OrderFilter(event_before=EVENT + 20), ["matinee", "elsewhere"]),
        (OrderFilter(event_after=EVENT + 17), ["elsewhere", "a", "b", "c"]),
        (OrderFilter(event_after=EVENT + 15, event_before=EVENT + 20), ["elsewhere"]),
        (OrderFilter(event_after=EVENT, account="tiqets/second"), ["elsewhere"]),
        (OrderFilter(event_after=EVENT, provider="paylogic"), []),
        (OrderFilter(event_after=EVENT, group="hamlet"), ["a", "b"]),
        (OrderFilter(group="hamlet"), ["b", "a"]),
        (OrderFilter(group="macbeth"), []),
        (OrderFilter(group="hamlet", status=Status.FULFILLED), []),
        (OrderFilter(event_before=-5.0), []),
    ],
)
def test_orders_are_filtered_by_event_and_group(evening: StoreHarness, query: OrderFilter, found: list[str]) -> None:
    assert walk(evening, query) == found


def test_an_order_that_ends_is_listed_among_the_final_ones(evening: StoreHarness) -> None:
    end(evening, "a")
    assert walk(evening, OrderFilter(event_after=EVENT + 20, open_only=True)) == ["b", "c"]
    assert walk(evening, OrderFilter(event_after=EVENT + 20, status=Status.FULFILLED)) == ["a"]
    assert walk(evening, OrderFilter(event_after=EVENT + 20)) == ["a", "b", "c"]
    assert walk(evening, OrderFilter(open_only=True)) == ["some day", "elsewhere", "matinee", "b", "c"]
    assert evening.stores.listing.events_ahead([ACCOUNT], [EVENT, EVENT + 15, EVENT + 100]) == [[0, 1, 2, 0]]


def test_an_order_that_0_2_0_ended_is_not_listed_as_open(evening: StoreHarness) -> None:
    evening.redis.hset(keys.order("a"), mapping={"status": "fulfilled", "finished": 1})
    assert walk(evening, OrderFilter(event_after=EVENT + 20, open_only=True)) == ["b", "c"]
    assert walk(evening, OrderFilter(event_after=EVENT + 20, status=Status.FULFILLED)) == ["a"]


def test_an_order_that_0_2_0_removed_is_not_listed(evening: StoreHarness) -> None:
    evening.redis.delete(keys.order("a"), keys.spec("a"))
    assert walk(evening, OrderFilter(event_after=EVENT + 20)) == ["b", "c"]
    assert walk(evening, OrderFilter(group="hamlet")) == ["b"]
    assert "a" not in walk(evening, OrderFilter(updated_since=0.0))


def test_orders_that_0_2_0_changed_or_submitted_are_listed_by_the_sweep(evening: StoreHarness) -> None:
    def relist() -> int:
        return sum(evening.stores.orders.relist(ACCOUNT, status, 0, 100)[1] for status in Status)

    assert relist() == 0
    since = evening.now() + 0.001
    wait_until(lambda: evening.now() >= since)
    end(evening, "matinee")
    evening.redis.delete(keys.by_event(ACCOUNT, is_open=False))
    for name, ended in {"a": evening.now() + 1, "b": evening.now() - 90_000}.items():
        evening.redis.hset(keys.order(name), mapping={"status": "fulfilled", "finished": int(ended * 1_000)})
        evening.redis.hdel(keys.order(name), "updated")
    evening.redis.hset(keys.order("b"), "submitted", 1)
    assert relist() == 5
    assert relist() == 0
    assert sorted(walk(evening, OrderFilter(updated_since=since))) == ["a", "matinee"]
    assert walk(evening, OrderFilter(event_after=EVENT, status=Status.FULFILLED)) == ["matinee", "a", "b"]
    assert evening.stores.listing.events_ahead([ACCOUNT], [EVENT, EVENT + 100]) == [[0, 1, 0]]


def test_changes_are_listed_once_the_earliest_first(evening: StoreHarness) -> None:
    names = ["c", "a", "b", "matinee", "elsewhere", "some day"]
    by_change = sorted(names, key=lambda name: (evening.order(name).updated_at, name))
    assert walk(evening, OrderFilter(updated_since=0.0)) == by_change
    since = evening.now() + 0.001
    wait_until(lambda: evening.now() >= since)
    end(evening, "a")
    evening.commit(evening.go(order_id="b"), due_at=evening.now() + 5, attention=Attention.MALFORMED)
    evening.commit(evening.go(order_id="c"), due_at=evening.now() + 5, attempts=1)
    assert sorted(walk(evening, OrderFilter(updated_since=since))) == ["a", "b"]
    assert walk(evening, OrderFilter(updated_since=since, attention=frozenset())) == ["b"]
    assert walk(evening, OrderFilter(updated_since=since, open_only=True)) == ["b"]
    assert sorted(walk(evening, OrderFilter(updated_since=0.0), 50)[-2:]) == ["a", "b"]


def test_an_order_of_a_client_is_in_lists_of_its_own(harness: StoreHarness) -> None:
    for name, client in (("mine", "shop"), ("theirs", "kiosk"), ("nobodys", None)):
        harness.submit(name, event_at=EVENT, group="hamlet", client=client)
    for query in ({"event_before": EVENT + 1}, {"updated_since": 0.0}, {"group": "hamlet"}):
        assert walk(harness, OrderFilter(client="shop", **query)) == ["mine"]  # type: ignore[arg-type]
        assert set(walk(harness, OrderFilter(**query))) == {"mine", "theirs", "nobodys"}  # type: ignore[arg-type]


def test_nothing_of_a_removed_order_stays(harness: StoreHarness) -> None:
    harness.submit("mine", event_at=EVENT, group="hamlet", client="shop")
    end(harness, "mine")
    assert harness.stores.orders.prune(EVENT - 1, 10) == (0, 0, 0)
    assert harness.stores.orders.prune(EVENT + 1, 10) == (1, 1, 1)
    left = [key for key in harness.redis.scan_iter("*") if b"by_" in key.encode() or "group" in key]
    assert left == []


@pytest.mark.parametrize("cursor", ["7", "0001900000000000", "0001900000000000:", "x:a", f"{0:016}:{129 * 'a'}"])
def test_a_cursor_of_another_list_is_refused(evening: StoreHarness, cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        evening.stores.listing.page(OrderFilter(event_after=EVENT), 2, cursor)
    with pytest.raises(ValueError, match="not a cursor"):
        evening.stores.listing.page(OrderFilter(), 2, "0001900000000000:a")


def test_a_page_ends_after_many_that_do_not_match(evening: StoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dated_lists, "LOOK", 2)
    monkeypatch.setattr(dated_lists, "MOST_LOOKED", 4)
    found = list(pages(evening, OrderFilter(event_after=EVENT, account=ACCOUNT, group="hamlet")))
    assert [order_id for page in found for order_id in page] == ["a", "b"]


def test_a_page_of_a_group_ends_after_many_orders_that_do_not_match(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOK", 2)
    monkeypatch.setattr(listing, "MOST_LOOKED", 4)
    for name in "abcdef":
        harness.submit(name, group="hamlet")
    end(harness, "a")
    assert list(pages(harness, OrderFilter(group="hamlet", status=Status.FULFILLED))) == [[], ["a"]]


@given(
    moments=st.lists(st.sampled_from([0.0, 1.0, 1.001, 7.5, EVENT]), min_size=1, max_size=12),
    span=st.tuples(st.sampled_from([0.0, 1.0, 1.001, 8.0]), st.sampled_from([1.0, 7.5, EVENT, EVENT + 1])),
    limit=st.integers(1, 13),
    ended=st.sets(st.integers(0, 11)),
    open_only=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_list_by_event_is_that_of_a_plain_sort(  # noqa: PLR0917 - what Hypothesis draws
    harness: StoreHarness,
    moments: list[float],
    span: tuple[float, float],
    limit: int,
    ended: set[int],
    open_only: bool,  # noqa: FBT001
) -> None:
    harness.redis.flushdb()
    for number, moment in enumerate(moments):
        harness.submit(f"{number:02}", event_at=moment, account="default" if number % 3 else "second")
        if number in ended:
            order = harness.order(f"{number:02}")
            harness.commit(order, "", status=Status.CANCELLED, finished_at=harness.now())
    wanted = sorted(
        (moment, f"{number:02}")
        for number, moment in enumerate(moments)
        if span[0] <= moment < span[1] and not (open_only and harness.order(f"{number:02}").status not in OPEN)
    )
    query = OrderFilter(event_after=span[0], event_before=span[1], open_only=open_only)
    assert walk(harness, query, limit) == [order_id for _, order_id in wanted]
