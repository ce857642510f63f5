"""The JSON that leaves the system."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import orders
from willcall.orders.model import Order, Ticket, TicketKind
from willcall.orders.serialization import order_to_json, rfc3339, ticket_from_json, ticket_to_json

FIELDS = [
    "id",
    "provider",
    "account",
    "reference",
    "status",
    "attention",
    "reason",
    "provider_status",
    "quantity",
    "attempts",
    "submitted_at",
    "not_before",
    "next_poll_at",
    "deadline_at",
    "finished_at",
    "tickets",
    "callback_url",
    "metadata",
    "client",
    "event_at",
    "group",
    "ended_by",
    "updated_at",
    "at_risk",
    "needs",
    "expected_at",
    "documents",
]


@given(orders())
def test_an_order_has_the_fields_of_the_contract_in_its_order(order: Order) -> None:
    document = json.loads(json.dumps(order_to_json(order)))
    assert list(document) == FIELDS
    assert document["deadline_at"].endswith("Z")


@given(st.builds(Ticket, kind=st.sampled_from(TicketKind), code=st.none() | st.text(), seat=st.none() | st.text()))
def test_a_ticket_comes_back_from_its_json(ticket: Ticket) -> None:
    assert ticket_from_json(json.loads(json.dumps(ticket_to_json(ticket)))) == ticket


@pytest.mark.parametrize(
    ("moment", "text"),
    [(None, None), (1_795_341_600.0, "2026-11-22T10:00:00Z"), (1_795_341_600.25, "2026-11-22T10:00:00.250Z")],
)
def test_times_are_rfc_3339_in_utc(moment: float | None, text: str | None) -> None:
    assert rfc3339(moment) == text


@given(st.floats(0, 4e9))
def test_times_lose_no_more_than_a_millisecond(moment: float) -> None:
    text = rfc3339(moment)
    assert text is not None
    assert abs(datetime.fromisoformat(text).astimezone(UTC).timestamp() - moment) <= 0.001
