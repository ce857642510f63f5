"""The Tixstock adapter."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.unit.willcall.providers.odd_json import JSON
from willcall.http.messages import Response
from willcall.orders.outcomes import Cancelled, Declined, Issued, NotReady, PartlyIssued, Throttled
from willcall.providers.base import OrderQuery
from willcall.providers.tixstock import ADAPTER
from willcall.providers.tixstock.pushes import TixstockCredentials

TOKEN = "tix-bearer-1"
ACCOUNT = TixstockCredentials(bearer_token=SecretStr(TOKEN), webhook_token=SecretStr("hook-0123456789-2"))
URLS = st.sampled_from(["https://files.example.com/1.pdf", "https://files.example.com/2.pdf", "JVBERi0xLjQK", ""])
LINKS = st.fixed_dictionaries({"seat": JSON, "link": URLS | JSON})
FILES = URLS | st.fixed_dictionaries({"url": URLS}) | JSON
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "file": FILES | st.lists(FILES, max_size=3),
        "mobile_links": st.lists(LINKS, max_size=3) | JSON,
        "seat": st.sampled_from(["1", "2", None]) | JSON,
        "general_admission": JSON,
    },
)
WORDS = ["Approved", "Delivered", "Rejected", "Refunded / Cancelled", "refunded", "Unheard of"]
ORDERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(WORDS) | JSON,
        "quantity": st.integers(-1, 4) | JSON,
        "items": st.lists(ITEMS, max_size=3) | JSON,
        "shipping_tracking_id": JSON,
        "paper_ticket_details": JSON,
    },
)
BODIES = st.fixed_dictionaries({"data": ORDERS | JSON}, optional={"errors": JSON})


def read(body: Any, quantity: int | None = None, status: int = 200) -> Any:
    query = OrderQuery("3434341233", quantity)
    return ADAPTER.read_status(query, Response(status, {}, json.dumps(body).encode(), 0.0))


def test_the_order_is_requested_by_our_id_with_the_bearer_token() -> None:
    request = ADAPTER.status_request(OrderQuery("ord #1"), ACCOUNT, None)
    assert (request.method, request.url) == ("GET", "https://pf.tixstock.com/v1/orders/get/ord%20%231")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_no_secret_is_shown() -> None:
    request = ADAPTER.status_request(OrderQuery("3434341233"), ACCOUNT, None)
    shown = f"{ACCOUNT!r} {ACCOUNT} {request!r} {ACCOUNT.model_dump()}"
    assert TOKEN not in shown
    assert "hook-0123456789-2" not in shown


@pytest.mark.parametrize("reference", ["", "..", "secret/../1", "secret\n"])
def test_an_id_that_is_not_a_path_segment_is_rejected_without_quoting_it(reference: str) -> None:
    with pytest.raises(ValueError, match=r"^order id must ") as refused:
        ADAPTER.check_reference(reference, ACCOUNT)
    assert "secret" not in str(refused.value)


def test_response_words_default_to_those_of_the_documentation() -> None:
    assert ACCOUNT.answers.model_dump() == {
        "partial": "Approved",
        "complete": "Delivered",
        "paper": "Shipped",
        "failed": "Accepted",
        "expired": "Pending Review",
        "update": None,
    }
    assert not ACCOUNT.tell


@pytest.mark.parametrize("answers", [{"done": "Delivered"}, {"partial": ""}])
def test_an_unknown_or_empty_response_word_is_rejected(answers: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="answers"):
        TixstockCredentials.model_validate({"bearer_token": TOKEN, "answers": answers})


def test_no_minute_has_more_than_three_hundred_requests() -> None:
    rate = ADAPTER.defaults.rate
    assert rate.limit * 60 / rate.period + rate.burst <= 300


def test_a_429_without_a_date_lasts_until_the_minute_ends() -> None:
    assert read({}, status=429) == Throttled(retry_after=60.0, detail="over the limit of requests a minute")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (1, True), ("1", True), ("true", True), ("True", True), (0, False), ("false", False)],
)
def test_general_admission_is_one_boolean(value: object, *, expected: bool) -> None:
    item = {"general_admission": value, "file": ["https://files.example.com/1.pdf"]}
    outcome = read({"data": {"status": "Approved", "items": [item]}})
    assert outcome.tickets[0].extra["general_admission"] is expected


def test_a_file_and_a_link_for_one_seat_are_one_admission() -> None:
    link = {"seat": "1", "link": "https://links.example.com/1"}
    item = {"seat": "1", "file": ["https://files.example.com/1.pdf"], "mobile_links": [link]}
    outcome = read({"data": {"status": "Approved", "quantity": 2, "items": [item]}})
    assert isinstance(outcome, PartlyIssued)
    assert [ticket.kind for ticket in outcome.tickets] == ["pdf", "link"]


def test_an_item_that_is_listed_twice_brings_its_ticket_once() -> None:
    item = {"section": "North", "general_admission": "true", "file": ["https://files.example.com/1.pdf"]}
    outcome = read({"data": {"status": "Approved", "quantity": 1, "items": [[item], [item]]}})
    assert isinstance(outcome, Issued)
    assert [ticket.url for ticket in outcome.tickets] == ["https://files.example.com/1.pdf"]


def test_no_outcome_text_contains_the_bytes_of_a_file() -> None:
    for blob, expected in (("JVBERi0xLjQK", Issued), ("PHA+U29ycnk=", NotReady)):
        outcome = read({"data": {"status": "Approved", "quantity": 1, "items": [{"file": [blob]}]}})
        assert isinstance(outcome, expected)
        assert blob not in repr(outcome)


@given(BODIES | JSON, st.none() | st.integers(1, 4))
def test_final_outcomes_need_known_words_and_issued_has_tickets(body: Any, quantity: int | None) -> None:
    outcome = read(body, quantity)
    if isinstance(outcome, Issued | PartlyIssued):
        assert outcome.tickets
    if isinstance(outcome, Declined | Cancelled):
        known = {"rejected", "refunded", "refunded / cancelled"}
        assert body["data"]["status"].strip().lower() in known
    json.dumps([ticket.extra for ticket in getattr(outcome, "tickets", ())], allow_nan=False)


@given(BODIES, st.sampled_from([400, 401, 403, 404, 422, 500]))
def test_an_error_status_never_issues(body: Any, status: int) -> None:
    assert not isinstance(read(body, status=status), Issued | PartlyIssued | Declined | Cancelled)


@given(st.binary(), st.integers(100, 599))
def test_no_response_raises(body: bytes, status: int) -> None:
    ADAPTER.read_status(OrderQuery("1"), Response(status, {}, body, 0.0))
