"""The JSON shapes agree with the domain, and are read tolerantly."""

import json
from enum import StrEnum
from typing import Any, get_args

import pytest

from willcall.api.examples import EXAMPLES
from willcall.orders.model import Attention, Status, TicketKind, TicketStatus
from willcall.schemas import accounts, operations, orders
from willcall.stores.accounts import AccountHealth
from willcall.stores.dead_letters import DeadLetterReason


@pytest.mark.parametrize(
    ("documented", "domain"),
    [
        (orders.Status, Status),
        (orders.Attention, Attention),
        (orders.TicketKind, TicketKind),
        (orders.TicketStatus, TicketStatus),
        (accounts.Health, AccountHealth),
        (operations.DeadLetterReason, DeadLetterReason),
    ],
)
def test_documented_values_are_those_of_the_domain(documented: Any, domain: type[StrEnum]) -> None:
    assert list(get_args(documented)[1].values) == [each.value for each in domain]


def test_every_schema_can_be_read_from_its_json() -> None:
    event = orders.EventPage.from_json(EXAMPLES["EventPage"]).items[0]
    assert json.loads(json.dumps(event.to_json())) == EXAMPLES["EventPage"]["items"][0]
    assert event.data.tickets[0].file_name == "doc_5f0c.pdf"


def test_unknown_fields_are_ignored_and_missing_optional_ones_get_their_default() -> None:
    ticket = {**EXAMPLES["Order"]["tickets"][0], "colour": "red"}
    del ticket["status"], ticket["content_type"]
    assert orders.Ticket.from_json(ticket).status == "valid"
    with pytest.raises(KeyError):
        orders.Ticket.from_json({"kind": "pdf"})
