"""Finding orders: by parts of ids and references, by what was submitted, in every way that there is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.conftest import RIVAL_KEY, SHOP_KEY, Running, problem
from tests.integration.api.operator import Operator, words
from tests.integration.api.test_board_pages import MORE_ACCOUNTS, board
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores import listing
from willcall.stores.registry import Stores

LATER = "2099-01-01T00:00:00Z"


def found(api: Running, **query: Any) -> list[str]:
    """The ids of a list, the newest first."""
    return [order["id"] for order in api.get("/v1/orders", params=query).json()["items"]]


@pytest.fixture
def crowd(api: Running) -> Running:
    for number in range(4):
        api.submit(
            f"Cart-{number}",
            reference=f"Ref{number}00",
            not_before=LATER,
            callback_url="https://8.8.8.8/hook" if number % 2 else "https://9.9.9.9:8443/hook",
            metadata={"customer": "anna" if number < 2 else "bob", "n": str(number)},
            group="friday" if number else "sunday",
            event_at=f"2098-01-0{number + 1}T20:00:00Z",
        )
    return api


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"text": "art-2"}, [2]),
        ({"text": "CART"}, [3, 2, 1, 0]),
        ({"text": "ref1"}, [1]),
        ({"text": "00"}, [3, 2, 1, 0]),
        ({"text": "nobody"}, []),
        ({"metadata.customer": "anna"}, [1, 0]),
        ({"metadata.customer": "anna", "metadata.n": "1"}, [1]),
        ({"metadata.customer": "ann"}, []),
        ({"host": "8.8.8.8"}, [3, 1]),
        ({"host": "9.9.9.9"}, [2, 0]),
        ({"host": "9.9.9.9:8443", "group": "friday"}, [2]),
        ({"host": "9.9.9"}, []),
        ({"account": "tiqets/default", "text": "3"}, [3]),
        ({"account": "tixstock/default"}, []),
        ({"event_before": "2098-01-03T00:00:00Z", "metadata.customer": "anna"}, [0, 1]),
        ({"event_after": "2098-01-02T00:00:00Z", "text": "ref", "status": "pending"}, [1, 2, 3]),
        ({"updated_since": "2020-01-01T00:00:00Z", "host": "8.8.8.8"}, [1, 3]),
        ({"submitted_after": "2020-01-01T00:00:00Z"}, [3, 2, 1, 0]),
        ({"submitted_before": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_filters_work_together(crowd: Running, query: dict[str, str], numbers: list[int]) -> None:
    assert found(crowd, **query) == [f"Cart-{number}" for number in numbers]


def test_orders_are_found_by_the_time_of_their_submission(api: Running, stores: Stores) -> None:
    api.submit("first")
    order = stores.orders.get("first")
    assert order
    later = datetime.fromtimestamp(order.submitted_at, UTC) + timedelta(milliseconds=1)
    assert found(api, submitted_after=later.isoformat()) == []
    assert found(api, submitted_before=later.isoformat()) == ["first"]
    exactly = datetime.fromtimestamp(order.submitted_at, UTC).isoformat()
    assert found(api, submitted_after=exactly) == ["first"]
    assert found(api, submitted_before=exactly) == []


@pytest.mark.usefixtures("redis")
def test_a_reference_that_grants_access_is_not_searched(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with board(tmp_path, redis_server.url, "operator-key-0123", environment=MORE_ACCOUNTS) as api:
        api.submit("ord-1", provider="voordemensen", reference="XgFca-QmBxG", not_before=LATER)
        assert found(api, text="XgFca") == []
        assert found(api, text="ord-1") == ["ord-1"]
        assert "QmBxG" not in api.get("/v1/orders", params={"format": "csv"}).text
        operator = Operator(api, "operator-key-0123")
        assert "No orders match" in words(operator.get("/search", params={"q": "XgFca"}))
        assert operator.get("/search", params={"q": "XgFca-QmBxG"}).headers["Location"] == "/orders/ord-1"


def test_an_erased_order_is_found_by_its_id_alone(crowd: Running) -> None:
    crowd.post("/v1/orders/Cart-1/cancel")
    assert crowd.call("DELETE", "/v1/orders/Cart-1").status_code == 204
    assert found(crowd, text="cart-1") == ["Cart-1"]
    assert found(crowd, text="ref1") == []
    assert found(crowd, **{"metadata.n": "1"}) == []
    assert found(crowd, host="8.8.8.8") == ["Cart-3"]


@pytest.mark.usefixtures("redis")
def test_an_order_without_an_address_is_found_by_the_configured(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    environment = {"WILLCALL_NOTIFY__CALLBACK_URL": "https://shop.example/hook"}
    with board(tmp_path, redis_server.url, "operator-key-0123", environment=environment) as api:
        api.submit("ord-1", not_before=LATER)
        assert found(api, host="SHOP.example") == ["ord-1"]
        assert found(api, host="other.example") == []


def test_wrong_filters_are_named(api: Running) -> None:
    for query in (
        {"metadata": "x"},
        {"text": ""},
        {"host": ""},
        {"text": "x" * 301},
        {"columns": "id"},
        {"meta.a": "1"},
    ):
        (error,) = problem(api.get("/v1/orders", params=query), 422, "rejected")["errors"]
        assert error["field"] in query


def test_a_page_reads_a_bounded_number_of_orders_and_its_cursor_continues(
    crowd: Running, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert crowd
    monkeypatch.setattr(listing, "LOOK", 1)
    monkeypatch.setattr(listing, "MOST_LOOKED", 2)

    class First:
        def matches(self, order_id: str, _provider: str, _submitted: object) -> bool:
            return order_id == "Cart-0"

    query = listing.OrderFilter(submission=First())
    page = stores.listing.page(query, 10)
    assert (page.orders, bool(page.next_cursor)) == ([], True)
    page = stores.listing.page(query, 10, page.next_cursor)
    assert [order.id for order in page.orders] == ["Cart-0"]


def test_a_client_finds_its_own_orders_only(api: Running) -> None:
    for order_id, key in (("of-shop", SHOP_KEY), ("of-rival", RIVAL_KEY)):
        order = {"id": order_id, "provider": "tiqets", "reference": order_id, "not_before": LATER}
        api.post("/v1/orders", {**order, "metadata": {"a": "b"}}, key=key)
    for query in ({"text": "of-"}, {"metadata.a": "b"}, {"submitted_after": "2020-01-01T00:00:00Z"}):
        page = api.get("/v1/orders", params=query, key=SHOP_KEY).json()
        assert [order["id"] for order in page["items"]] == ["of-shop"]
    assert "rival" not in api.get("/v1/orders", params={"format": "csv", "text": "of"}, key=SHOP_KEY).text


def test_the_board_finds_parts_and_offers_all_filters(crowd: Running) -> None:
    operator = Operator(crowd)
    assert operator.get("/search", params={"q": "ref2"}).headers["Location"] == "/orders/Cart-2"
    assert "4 orders match" in words(operator.get("/search", params={"q": "cart"}))
    query = "text=cart&metadata=customer%3Danna&host=8.8.8.8&group=friday&submitted_after=2020-01-01T10:00&status="
    listed = operator.get(f"/orders?{query}")
    assert "Cart-1" in words(listed)
    assert "Cart-3" not in words(listed)
    for shown in ('value="customer=anna"', 'value="8.8.8.8"', 'value="2020-01-01T10:00"', 'more-filters" open'):
        assert shown in listed.text
    assert operator.get("/orders?metadata=x").status_code == 422
    elsewhere = operator.get("/orders?event_after=2026-12-01T18:00:00%2B02:00")
    assert 'value="2026-12-01T16:00"' in elsewhere.text


def test_the_board_has_a_view_of_tonight_and_columns_to_choose(api: Running) -> None:
    operator = Operator(api)
    now = datetime.now(UTC)
    api.submit("tonight", event_at=(now + timedelta(hours=3)).isoformat(), not_before=LATER, metadata={"seat": "A 1"})
    api.submit("next-week", event_at=(now + timedelta(days=7)).isoformat(), not_before=LATER)
    assert 'href="/orders?event=soon">Tonight, without tickets</a>' in operator.get("/orders").text
    view = operator.get("/orders?event=soon")
    assert "<h1>Tonight, without tickets</h1>" in view.text
    assert "tonight" in words(view)
    assert "next-week" not in words(view)
    listed = operator.get("/orders?columns=quantity&columns=metadata&columns=metadata.seat")
    assert "Order Quantity Metadata Metadata.seat" in words(listed)
    assert '<td data-label="Metadata.seat">A 1</td>' in listed.text
    assert "Submitted" not in words(listed).partition("Order Quantity")[2]
    assert operator.get("/orders?columns=secret").status_code == 422
