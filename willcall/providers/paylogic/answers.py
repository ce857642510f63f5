"""Paylogic's answers, each as one outcome: an order, one ticket, a look-up by barcode, a user's own list."""

from collections.abc import Mapping
from typing import Any

from willcall.orders.outcomes import Cancelled, Issued, Malformed, Missing, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, without_duplicates
from willcall.orders.user_lists import Purchase, select_tickets, ticket_keys
from willcall.providers.base import OrderQuery
from willcall.providers.dates import is_older
from willcall.providers.paylogic.combos import Unit, bought, people, units_of
from willcall.providers.paylogic.entrances import Entrance, read_entrance, read_listed_entrance
from willcall.providers.paylogic.hal import embedded, link, linked_uid
from willcall.providers.reading import as_text
from willcall.providers.safe import status_word
from willcall.providers.ticket_status import CANCELLED

_MOST_REASONS = 3
#: The relation is documented nowhere; links have both forms.
_TICKETS = ("shop:ticket", "shop:tickets")


def read_order(order: Mapping[str, Any], quantity: int | None, now: float) -> Outcome:
    """Return what an order's tickets mean; of its status words only `cancelled` is known.

    https://shopping-api-docs.sandbox.paylogic.com/documentation/order.html
    """
    if as_text(order.get("uid")) is None:
        return Malformed(detail="no order in the answer")
    word = status_word(order.get("status"))
    if (word or "").lower() in CANCELLED:
        return Cancelled(reason="the order was cancelled", provider_status=word)
    tickets = embedded(order, *_TICKETS)
    if not tickets:
        return _without_tickets(order, word)
    units = units_of(read_entrance(ticket, now) for ticket in tickets)
    members = [member for unit in units for member in unit.members]
    if all(member.cancelled for member in members) and len(units) >= (quantity or bought(order) or 1):
        return Cancelled(reason="all tickets of the order were cancelled", provider_status=word)
    return _combined(units, _needed(units, quantity, bought(order)), word, quantity=quantity)


def read_ticket(ticket: Mapping[str, Any], now: float) -> Outcome:
    """Return what one ticket means."""
    if as_text(ticket.get("uid")) is None:
        return Malformed(detail="no ticket in the answer")
    entrance = read_entrance(ticket, now)
    if entrance.cancelled:
        return Cancelled(reason="the ticket was cancelled", provider_status=entrance.word)
    return _combined(units_of([entrance]), 1, entrance.word)


def read_lookup(answer: Mapping[str, Any], now: float) -> Outcome:
    """Return what a look-up by barcode means: a list that holds the one ticket, or nothing where nobody has it.

    https://shopping-api-docs.paylogic.com/documentation/tickets.html
    """
    tickets = embedded(answer, *_TICKETS)
    if tickets is None:
        return Malformed(detail="no list of tickets in the answer")
    if not tickets:
        return Missing(detail="no ticket with that barcode")
    if len({as_text(ticket.get("uid")) for ticket in tickets}) > 1:
        return Malformed(detail="several tickets with that barcode")
    return read_ticket(tickets[0], now)


def read_mine(answer: Mapping[str, Any], question: OrderQuery, now: float) -> Outcome:
    """Return what the tickets mean that a user personalised, of all their orders.

    Issued once as many are the order's own as it bought. Void ones may be of any order, and are left out.
    """
    listed = _listed_entrances(answer, question.bought_at, now)
    if isinstance(listed, Malformed):
        return listed
    quantity = question.quantity or 1
    purchases: dict[str | None, list[Entrance]] = {}
    for order, entrance in listed:
        purchases.setdefault(order or entrance.uid, []).append(entrance)
    units = units_of(entrance for _, entrance in listed)
    groups = [Purchase(_issued_tickets(group)) for group in purchases.values()]
    own = select_tickets(groups, quantity, question.ownership)
    word = status_word(", ".join(dict.fromkeys(entrance.word for _, entrance in listed if entrance.word)))
    if count_admissions(own) >= quantity:
        return Issued(without_duplicates(own), provider_status=word)
    return _combined([unit for unit in units if not unit.issued], quantity, word, own=own)


def mine_keys(answer: Mapping[str, Any], now: float) -> frozenset[str]:
    """Return what identifies all tickets in a user's own list."""
    entrances = [read_listed_entrance(ticket, now) for ticket in embedded(answer, *_TICKETS) or []]
    return ticket_keys(_issued_tickets(entrances))


def _listed_entrances(
    answer: Mapping[str, Any], bought_at: float, now: float
) -> list[tuple[str | None, Entrance]] | Malformed:
    """Return the tickets of a user's own list that are not older than an order, each with the uid of its order."""
    tickets = embedded(answer, *_TICKETS)
    if tickets is None:
        return Malformed(detail="no list of tickets in the answer")
    old = {
        uid
        for event in embedded(answer, "shop:event") or []
        if is_older(event, bought_at)
        for uid in (as_text(event.get("uid")), linked_uid(event, "self"))
        if uid
    }
    recent = [
        ticket for ticket in tickets if not is_older(ticket, bought_at) and linked_uid(ticket, "shop:event") not in old
    ]
    found = ((linked_uid(ticket, "shop:order"), read_listed_entrance(ticket, now)) for ticket in recent)
    return [(order, entrance) for order, entrance in found if not entrance.void]


def _issued_tickets(entrances: list[Entrance]) -> Tickets:
    return tuple(ticket for entrance in entrances if entrance.issued for ticket in entrance.tickets)


def _needed(units: list[Unit], quantity: int | None, sold: int) -> int:
    """Return how many purchases complete an order.

    That is what its caller says, else what it says itself, less what became void; a new ticket for a transferred one
    is awaited once it is listed. What the order lists beyond what it says was bought is awaited too, though not
    against the caller's word.
    """
    live = sum(not unit.void for unit in units)
    void = len(units) - live
    if quantity:
        return max(quantity - void, min(live, quantity))
    return max(sold - void, live)


def _without_tickets(order: Mapping[str, Any], word: str | None) -> Outcome:
    """Return that an order without tickets in it waits, whatever it links to.

    Its link `shop:etickets` says nothing of issuing: the documented cancelled order has it too.
    https://shopping-api-docs.sandbox.paylogic.com/documentation/ordercancellation.html
    """
    linked = link(order, *_TICKETS, "shop:etickets")
    return NotReady(provider_status=word, detail="the order only links to its tickets" if linked else "no tickets yet")


def _combined(
    units: list[Unit], needed: int, word: str | None, *, quantity: int | None = None, own: Tickets = ()
) -> Outcome:
    """Return all, some or none of the `needed` purchases, with what the others wait for.

    `quantity` is the caller's, who may count the parts of combos. `own` is what was found already.
    """
    tickets = without_duplicates((*own, *(ticket for unit in units for ticket in unit.tickets)))
    count = people(units) + count_admissions(own)
    waiting = [part for unit in units for part in unit.parts if not part.issued]
    if count >= needed > 0 or (quantity and not waiting and 0 < quantity <= count_admissions(tickets)):
        return Issued(tickets, provider_status=word)
    reasons = sorted({entrance.waits_for for entrance in waiting if entrance.waits_for})[:_MOST_REASONS]
    if tickets and not needed:
        reasons = ["every ticket is void"]
    detail = "; ".join([f"{count} of {needed} tickets", *reasons])
    attention = next((entrance.attention for entrance in waiting if entrance.attention), None)
    not_before = _earliest(waiting) if len(units) + len(own) >= needed else None
    if not any(map(admits_someone, tickets)):
        return NotReady(provider_status=word, detail=detail, not_before=not_before, attention=attention, void=tickets)
    return PartlyIssued(
        tickets, needed or None, provider_status=word, detail=detail, not_before=not_before, attention=attention
    )


def _earliest(waiting: list[Entrance]) -> float | None:
    """Return when the first of them can be issued, `None` where one of them may be at any time."""
    moments = [entrance.not_before for entrance in waiting]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None
