"""Documented responses, altered in every way that a provider could, and what has to hold for all of them.

`altered` takes a documented body and makes something in it absent, null, doubled, reordered or of another type. An
`OrderUnderTest` is polled with such bodies as a real one is, without any I/O.
"""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.contract.holding import outcome_of
from willcall.http.messages import Response
from willcall.orders.decision import decide
from willcall.orders.model import FINAL, Order, Status, Ticket
from willcall.orders.outcomes import Cancelled, Declined, Issued, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import without_duplicates
from willcall.providers.base import OrderQuery
from willcall.providers.registry import ADAPTERS

NOW = 1_795_341_600.0  # 2026-11-22T10:00:00Z
#: One value of each JSON type, and some that look like another type.
_OTHERS: tuple[Any, ...] = (None, True, 0, -1, 1.5, 10**30, "", " ", "x", "2", [], [None], {}, {"x": []})

_Place = tuple[Any, Any]  # an object or a list, and the name or index of a member


def altered(document: Any, *, most: int = 3) -> st.SearchStrategy[Any]:
    """Return copies of a document with up to `most` alterations anywhere in it."""
    return st.lists(st.tuples(st.integers(0, 10**6), _ALTERATIONS), max_size=most).map(
        lambda alterations: _alter(document, alterations)
    )


def rounds(names: Sequence[str], *, most: int = 4) -> st.SearchStrategy[list[set[str]]]:
    """Return rounds of polling: which of the further responses are missing in each."""
    return st.lists(st.sets(st.sampled_from(names)), max_size=most)


_ALTERATIONS = st.one_of(
    st.sampled_from(["absent", "doubled", "reordered", "wrapped", "as text"]).map(lambda kind: (kind, None)),
    st.sampled_from(_OTHERS).map(lambda value: ("replaced", value)),
)


def _alter(document: Any, alterations: Sequence[tuple[int, tuple[str, Any]]]) -> Any:
    root = [copy.deepcopy(document)]
    for number, (kind, value) in alterations:
        places = list(_places(root))
        if places:
            _alter_member(*places[number % len(places)], kind, copy.deepcopy(value), number)
    return root[0] if root else None


def _places(value: Any) -> Iterator[_Place]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield value, name
        yield from _places(member)


def _alter_member(parent: Any, name: Any, kind: str, value: Any, number: int) -> None:
    member = parent[name]
    match kind:
        case "absent":
            del parent[name]
        case "doubled" if isinstance(parent, list):
            parent.insert(name, copy.deepcopy(member))
        case "doubled" | "wrapped":
            parent[name] = [member, copy.deepcopy(member)] if kind == "doubled" else [member]
        case "reordered" if isinstance(member, list):
            Random(number).shuffle(member)
        case "as text":
            parent[name] = json.dumps(member)
        case "replaced":
            parent[name] = value


class OrderUnderTest:
    """An order that is polled with responses, and keeps what it has."""

    def __init__(self, name: str, reference: str, *, quantity: int | None = None, kind: int = 0) -> None:
        self.name, self.kind = name, kind
        self.order = Order("ord-1", name, "default", reference, Status.PENDING, NOW, NOW + 86_400.0, quantity=quantity)

    @property
    def people(self) -> int:
        return count_admissions(self.order.tickets)

    def poll(self, body: Any, further: Mapping[str, Any] | None = None) -> Outcome:
        """Poll once; `further` as in `outcome_of`."""
        order = self.order
        query = OrderQuery(
            order.reference,
            order.quantity,
            present=order.tickets,
            watched=order.status in FINAL,
            bought_at=NOW - 86_400,
        )
        response = Response(200, {}, json.dumps(body).encode(), NOW)
        outcome = outcome_of(self.name, query, response, kind=self.kind, further=further)
        check_outcome(outcome)
        decision = decide(order, outcome, ADAPTERS[self.name].defaults.polling, NOW, Random(1))
        self.order = replace(decision.order, next_poll_at=None)
        check_tickets(self.order.tickets)
        return outcome


def check_outcome(outcome: Outcome) -> None:
    """Check what holds for every outcome, whatever was sent."""
    if isinstance(outcome, Issued | PartlyIssued):
        check_tickets(outcome.tickets)
    if isinstance(outcome, Issued):
        assert count_admissions(outcome.tickets) > 0, "an issued order lets somebody in"
    if isinstance(outcome, NotReady):
        assert count_admissions(outcome.void) == 0, "void tickets let nobody in"


def check_final_word(outcome: Outcome, *said: Any) -> None:
    """Check that a provider which only knows cancellations has said the final word itself, in one of its bodies."""
    assert not isinstance(outcome, Declined)
    if isinstance(outcome, Cancelled):
        assert "cancel" in json.dumps(said).lower()


def check_tickets(tickets: Sequence[Ticket]) -> None:
    """Check that no ticket is there twice, and that all of it can be stored."""
    assert without_duplicates(tickets) == tuple(tickets)
    ids = [ticket.id for ticket in tickets if ticket.id]
    assert len(ids) == len(set(ids))
    json.dumps([dict(ticket.extra) for ticket in tickets], allow_nan=False)
