"""Paylogic's answers, each as one outcome: an order, one ticket, a look-up by barcode, a user's own list."""

from collections.abc import Mapping
from typing import Any

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Issued, Malformed, Missing, NotReady, Outcome, PartlyIssued
from willcall.providers.adapters.paylogic.entrances import (
    CANCELLED,
    Entrance,
    read_entrance,
    read_listed_entrance,
)
from willcall.providers.adapters.paylogic.hal import embedded, link
from willcall.providers.reading import kept, listed, table, text, whole
from willcall.providers.safe import status_word

_MOST_REASONS = 3


def read_order(order: Mapping[str, Any], quantity: int | None, now: float) -> Outcome:
    """An order, by its tickets; of its status words only `cancelled` is known.

    https://shopping-api-docs.sandbox.paylogic.com/documentation/order.html
    """
    if text(order.get("uid")) is None:
        return Malformed(detail="no order in the answer")
    word = status_word(order.get("status"))
    if (word or "").lower() in CANCELLED:
        return Cancelled(reason="the order was cancelled", provider_status=word)
    tickets = embedded(order, "shop:ticket")
    expected = _bought(order) or quantity
    if not tickets:
        return _without_tickets(order, word, expected)
    entrances = [read_entrance(ticket, now) for ticket in tickets]
    if all(entrance.cancelled for entrance in entrances) and len(entrances) >= (expected or 1):
        return Cancelled(reason="all tickets of the order were cancelled", provider_status=word)
    if len(entrances) > (expected or 0):
        expected = len(entrances)
    return _combined(entrances, expected or 1, word)


def read_ticket(ticket: Mapping[str, Any], now: float) -> Outcome:
    """One ticket."""
    if text(ticket.get("uid")) is None:
        return Malformed(detail="no ticket in the answer")
    entrance = read_entrance(ticket, now)
    if entrance.cancelled:
        return Cancelled(reason="the ticket was cancelled", provider_status=entrance.word)
    return _combined([entrance], 1, entrance.word)


def read_lookup(answer: Mapping[str, Any], now: float) -> Outcome:
    """A look-up by barcode: a list that holds the one ticket, or nothing where nobody has that barcode.

    https://shopping-api-docs.paylogic.com/documentation/tickets.html
    """
    tickets = embedded(answer, "shop:ticket")
    if tickets is None:
        return Malformed(detail="no list of tickets in the answer")
    if not tickets:
        return Missing(detail="no ticket with that barcode")
    if len(tickets) > 1:
        return Malformed(detail="several tickets with that barcode")
    return read_ticket(tickets[0], now)


def read_mine(answer: Mapping[str, Any], quantity: int | None, now: float) -> Outcome:
    """The tickets that a user personalised, of all their orders: issued once there are as many as bought."""
    tickets = embedded(answer, "shop:ticket")
    if tickets is None:
        return Malformed(detail="no list of tickets in the answer")
    entrances = [read_listed_entrance(ticket, now) for ticket in tickets]
    words = dict.fromkeys(entrance.word for entrance in entrances if entrance.word)
    return _combined(entrances, quantity or 1, status_word(", ".join(words)))


def _bought(order: Mapping[str, Any]) -> int:
    """How many tickets were bought, 0 where the order does not say."""
    quantities = (whole(table(line).get("quantity")) for line in listed(order.get("product_selection")))
    return sum(quantity for quantity in quantities if quantity and quantity > 0)


def _without_tickets(order: Mapping[str, Any], word: str | None, expected: int | None) -> Outcome:
    """An order that does not hold its tickets may still link to the download of all of them."""
    download = link(order, "shop:etickets")
    if download:
        ticket = Ticket(TicketKind.PDF, url=download, extra=kept({"covers": expected}))
        return Issued((ticket,), provider_status=word)
    linked = link(order, "shop:ticket", "shop:tickets")
    detail = "the order only links to its tickets" if linked else "no tickets yet"
    return NotReady(provider_status=word, detail=detail)


def _combined(entrances: list[Entrance], expected: int, word: str | None) -> Outcome:
    """All, some or none of `expected` entrances, with what the others wait for."""
    issued = [entrance for entrance in entrances if entrance.tickets]
    waiting = [entrance for entrance in entrances if not entrance.tickets]
    tickets = tuple(ticket for entrance in issued for ticket in entrance.tickets)
    if len(issued) >= expected:
        return Issued(tickets, provider_status=word)
    reasons = sorted({entrance.waits_for for entrance in waiting if entrance.waits_for})[:_MOST_REASONS]
    detail = "; ".join([f"{len(issued)} of {expected} tickets", *reasons])
    attention = next((entrance.attention for entrance in waiting if entrance.attention), None)
    not_before = _earliest(waiting) if len(entrances) >= expected else None
    if not issued:
        return NotReady(provider_status=word, detail=detail, not_before=not_before, attention=attention)
    return PartlyIssued(
        tickets, expected, provider_status=word, detail=detail, not_before=not_before, attention=attention
    )


def _earliest(waiting: list[Entrance]) -> float | None:
    """When the first of them can be issued; None where one of them may be at any time."""
    moments = [entrance.not_before for entrance in waiting if not entrance.cancelled]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None
