"""The voordemensen adapter."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.willcall.providers.odd_json import JSON
from willcall.http.messages import Response
from willcall.orders.outcomes import Cancelled, Issued, NotReady
from willcall.providers.base import OrderQuery
from willcall.providers.voordemensen import ADAPTER
from willcall.providers.voordemensen.adapter import VoordemensenCredentials

KEY = "XgFca-QmBxG-9WhAj-Osszb"
PAGE = "https://tickets.voordemensen.nl/demo/order/1/ticket"
ORDERS = st.fixed_dictionaries(
    {},
    optional={
        "order_payment_status": st.sampled_from(["paid", "PAID", "partial", "cancelled", "reissued"]) | JSON,
        "order_tickets_nr": st.integers(-1, 3) | JSON,
        "order_tickets_url": st.just(PAGE) | JSON,
        "order_receipt_url": JSON,
        "seats": st.lists(st.fixed_dictionaries({"seat_id": JSON})) | JSON,
    },
)


def read(body: Any) -> Any:
    return ADAPTER.read_status(OrderQuery(KEY), Response(200, {}, json.dumps(body).encode(), 0.0))


def test_the_order_is_requested_by_client_name_and_key_without_credentials() -> None:
    account = VoordemensenCredentials(client_name="demo")
    request = ADAPTER.status_request(OrderQuery(KEY), account, None)
    assert (request.method, request.url) == ("GET", f"https://api.voordemensen.nl/v1/demo/order/{KEY}")
    assert set(request.headers) == {"Accept"}
    assert not request.params


def test_special_characters_in_the_key_stay_in_its_segment() -> None:
    account = VoordemensenCredentials(base_url="http://127.0.0.1:9/vdm", client_name="théâtre")
    request = ADAPTER.status_request(OrderQuery("a?b#c%2F"), account, None)
    assert request.url == "http://127.0.0.1:9/vdm/th%C3%A9%C3%A2tre/order/a%3Fb%23c%252F"


@pytest.mark.parametrize("key", ["", "..", f"{KEY}/receipt", f"{KEY} "])
def test_a_key_that_is_not_a_path_segment_is_rejected_without_quoting_it(key: str) -> None:
    with pytest.raises(ValueError, match=r"^order_key must ") as refused:
        ADAPTER.check_reference(key, VoordemensenCredentials(client_name="demo"))
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("client_name", ["", "a/b", ".."])
def test_a_client_name_that_is_not_a_path_segment_is_rejected(client_name: str) -> None:
    with pytest.raises(ValidationError, match="client_name"):
        VoordemensenCredentials(client_name=client_name)


def test_no_order_is_polled_more_often_than_every_ten_seconds() -> None:
    assert ADAPTER.shortest_interval == 10
    assert ADAPTER.defaults.polling.minimum == 10


def test_payment_alone_issues_nothing() -> None:
    assert isinstance(read({"order_payment_status": "paid", "order_tickets_nr": 2}), NotReady)


@given(ORDERS | st.lists(ORDERS, max_size=2) | JSON)
def test_only_a_paid_order_with_a_page_and_tickets_is_issued(body: Any) -> None:
    outcome = read(body)
    order = body[0] if isinstance(body, list) and body else body
    if isinstance(outcome, Issued):
        assert order["order_payment_status"].strip().lower() == "paid"
        assert order["order_tickets_url"].startswith("http")
        assert [ticket.url for ticket in outcome.tickets] == [order["order_tickets_url"].strip()]
    if isinstance(outcome, Cancelled):
        assert order["order_payment_status"].strip().lower() in {"cancelled", "canceled"}


@given(st.binary(), st.integers(100, 599))
def test_no_response_raises(body: bytes, status: int) -> None:
    ADAPTER.read_status(OrderQuery(KEY), Response(status, {}, body, 0.0))


def test_no_detail_contains_the_key() -> None:
    for word in ("paid", "cancelled", KEY):
        outcome = read({"order_payment_status": word, "message": KEY})
        assert KEY not in (outcome.detail or "")
