"""JSON is read tolerantly where it is newer, and strictly where it is wrong."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import EVENT, ORDER, TICKET
from willcall_client import DecodeError, Event, Order, Problem, Ticket
from willcall_client.decoding import parse_json


def test_an_event_is_read_with_its_order_and_tickets() -> None:
    event = Event.from_json(EVENT)
    assert event.data.tickets[0].file_name == "doc_1.pdf"
    assert event.data.final
    assert event.occurred_at == datetime(2026, 11, 22, 10, 0, 5, 250_000, timezone.utc)


def test_what_a_newer_server_sends_is_kept() -> None:
    order = Order.from_json({**ORDER, "status": "delivered", "colour": "red"})
    assert (order.status, order.final, order.raw["colour"]) == ("delivered", False, "red")
    assert order == Order.from_json({**ORDER, "status": "delivered"})


def test_a_ticket_of_an_older_server_has_no_content_type() -> None:
    old = {name: value for name, value in TICKET.items() if name not in {"content_type", "status"}}
    ticket = Ticket.from_json(old)
    assert (ticket.content_type, ticket.status, ticket.file_name) == (None, "valid", "doc_1.pdf")
    assert replace(ticket, document=None).file_name is None


def test_secrets_of_customers_are_not_shown() -> None:
    shown = repr(Event.from_json(EVENT))
    assert "ord-1" in shown
    assert "1111111" not in shown
    assert "12345" not in shown


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"status": None}, "order.status is null, not text"),
        ({"quantity": True}, "order.quantity is true or false, not a whole number"),
        ({"quantity": 1.5}, "order.quantity is a number, not a whole number"),
        ({"tickets": {}}, "order.tickets is an object, not a list"),
        ({"tickets": [TICKET, "secret"]}, "order.tickets.1 is text, not an object"),
        ({"metadata": {"cart": 42}}, "order.metadata.cart is a whole number, not text"),
        ({"submitted_at": "2026-13-01T00:00:00Z"}, "order.submitted_at is not a time of RFC 3339"),
        ({"submitted_at": "2026-11-22T10:00:00"}, "order.submitted_at is not a time of RFC 3339"),
        ({"submitted_at": 1}, "order.submitted_at is not a time of RFC 3339"),
    ],
)
def test_a_wrong_type_is_named_by_its_place(wrong: "dict[str, object]", message: str) -> None:
    with pytest.raises(DecodeError) as error:
        Order.from_json({**ORDER, **wrong}, "order")
    assert str(error.value) == message


def test_a_missing_field_is_named() -> None:
    with pytest.raises(DecodeError, match=r"^data\.status is missing$"):
        Event.from_json({**EVENT, "data": {name: value for name, value in ORDER.items() if name != "status"}})
    with pytest.raises(DecodeError, match="the content is a list, not an object"):
        Order.from_json([])


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000])
def test_what_is_no_json_is_an_error_that_does_not_quote_it(content: bytes) -> None:
    with pytest.raises(DecodeError) as error:
        parse_json(content)
    assert "html" not in str(error.value)


@given(st.datetimes(timezones=st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=30))])))
def test_every_time_of_rfc_3339_is_read(moment: datetime) -> None:
    text = moment.isoformat()
    for written in (text, text.replace("T", "t"), text.replace("+00:00", "Z")):
        assert Order.from_json({**ORDER, "submitted_at": written}).submitted_at == moment


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*ORDER]), JSON, max_size=3))
def test_whatever_replaces_a_field_is_read_or_named(fields: "dict[str, object]") -> None:
    try:
        Order.from_json({**ORDER, **fields})
    except DecodeError as error:
        assert str(error).partition(" ")[0].partition(".")[0] in ORDER  # noqa: PT017 - or it is read


@given(JSON, st.integers(400, 599))
def test_every_error_response_is_a_problem(document: object, status: int) -> None:
    problem = Problem.from_response(document, status)
    assert problem.status == status
    assert problem.detail
