"""The outcome of Paylogic's tickets: how many people they let in, and why others are missing.

A combo is sold as a parent product with children; each of them has its own ticket, and all are for one person.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
https://shopping-api-docs.sandbox.paylogic.com/documentation/ordercancellation.html (combos)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from willcall.orders.model import Needs
from willcall.orders.outcomes import Cancelled, Issued, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, without_duplicates
from willcall.providers.paylogic.single_tickets import PaylogicTicket
from willcall.providers.reading import as_int, as_list, as_object

_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Bundle:
    """The purchase of one person: a ticket, or a combo with its parts."""

    members: tuple[PaylogicTicket, ...]

    @property
    def parts(self) -> list[PaylogicTicket]:
        """The tickets that must be issued: the parts of a combo that are not void, as its parent may have no file."""
        parents = {member.parent for member in self.members}
        live = [member for member in self.members if not member.void]
        return [member for member in live if member.uid not in parents] or live

    @property
    def void(self) -> bool:
        """Whether none of its tickets lets anybody in."""
        return not self.parts

    @property
    def issued(self) -> bool:
        """Whether all of it is issued."""
        return not self.void and all(part.issued for part in self.parts)

    @property
    def tickets(self) -> Tickets:
        """All its tickets, including void ones."""
        return tuple(ticket for member in self.members for ticket in member.tickets)


# Outcomes


def order_outcome(
    order: Mapping[str, Any], found: Sequence[PaylogicTicket], quantity: int | None, word: str | None
) -> Outcome:
    """Return the outcome of an order with the tickets that were found. `quantity` is the caller's."""
    if not found:
        return NotReady(provider_status=word, detail="no tickets yet")
    bundles = bundles_of(found)
    members = [member for bundle in bundles for member in bundle.members]
    sold = _sold(order)
    if all(member.cancelled for member in members) and len(bundles) >= (quantity or sold or 1):
        return Cancelled("all tickets of the order were cancelled", provider_status=word)
    return combined(bundles, _needed(bundles, quantity, sold), word, quantity=quantity)


def ticket_outcome(ticket: PaylogicTicket) -> Outcome:
    """Return the outcome of a single ticket."""
    if ticket.cancelled:
        return Cancelled("the ticket was cancelled", provider_status=ticket.word)
    return combined(bundles_of([ticket]), 1, ticket.word)


def combined(
    bundles: list[Bundle], needed: int, word: str | None, *, quantity: int | None = None, own: Tickets = ()
) -> Outcome:
    """Return the outcome of the bundles, of which `needed` must be issued.

    `quantity` is the caller's, which may count the parts of combos. `own` are the tickets found already.
    """
    tickets = without_duplicates((*own, *(ticket for bundle in bundles for ticket in bundle.tickets)))
    count = _people(bundles) + count_admissions(own)
    waiting = [part for bundle in bundles for part in bundle.parts if not part.issued]
    if count >= needed > 0 or (quantity and not waiting and 0 < quantity <= count_admissions(tickets)):
        return Issued(tickets, provider_status=word)
    reasons = sorted({part.waits_for for part in waiting if part.waits_for})[:_MOST_REASONS]
    if tickets and not needed:
        reasons = ["every ticket is void"]
    detail = "; ".join([f"{count} of {needed} tickets", *reasons])
    needs = _needs_of([part.needs for part in waiting if part.needs])
    not_before = _earliest(waiting) if len(bundles) + len(own) >= needed else None
    if not any(map(admits_someone, tickets)):
        return NotReady(needs=needs, void=tickets, provider_status=word, detail=detail, not_before=not_before)
    return PartlyIssued(
        tickets, needed or None, needs=needs, provider_status=word, detail=detail, not_before=not_before
    )


def _needs_of(needs: Sequence[Needs]) -> Needs | None:
    """Return what the tickets of an order need together: by the earliest time, with the first form and address.

    Usually all tickets of an order must be personalised before any e-ticket is issued.

    https://shopping-api-docs.paylogic.com/documentation/personalization.html
    """
    if not needs:
        return None
    first = min(needs, key=lambda each: inf if each.until is None else each.until)
    form = first.form or next((each.form for each in needs if each.form), None)
    return replace(first, form=form, url=first.url or next((each.url for each in needs if each.url), None))


def _earliest(waiting: list[PaylogicTicket]) -> float | None:
    """Return when the first of them can be issued, or `None` if one of them may be at any time."""
    moments = [part.not_before for part in waiting]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None


# How many


def _needed(bundles: list[Bundle], quantity: int | None, sold: int) -> int:
    """Return how many bundles complete an order.

    That is the caller's number, otherwise the order's own, less those that became void. The new ticket for a
    transferred one is awaited once it is listed. Without a number from the caller, tickets listed beyond the order's
    own number are awaited too.
    """
    live = sum(not bundle.void for bundle in bundles)
    void = len(bundles) - live
    if quantity:
        return max(quantity - void, min(live, quantity))
    return max(sold - void, live)


def _sold(order: Mapping[str, Any]) -> int:
    """Return how many tickets were bought, or 0 if the order does not say. Parts of a combo are not counted."""
    lines = [as_object(line) for line in as_list(order.get("product_selection"))]
    single: Sequence[Mapping[str, Any]] = [line for line in lines if not line.get("parent")] or lines
    quantities = (as_int(line.get("quantity")) for line in single)
    return sum(quantity for quantity in quantities if quantity and quantity > 0)


def _people(bundles: Iterable[Bundle]) -> int:
    """Return how many people the issued bundles let in: one each, but one for all with the same barcode."""
    return count_admissions(bundle.parts[0].tickets[0] for bundle in bundles if bundle.issued)


def bundles_of(found: Iterable[PaylogicTicket]) -> list[Bundle]:
    """Return a bundle per person, each ticket once, in the order in which they are listed."""
    single: dict[object, PaylogicTicket] = {}
    for index, ticket in enumerate(found):
        single.setdefault(ticket.uid or index, ticket)
    members: dict[object, list[PaylogicTicket]] = {}
    for key, ticket in single.items():
        members.setdefault(_combo_key(key, ticket, single), []).append(ticket)
    return [Bundle(tuple(group)) for group in members.values()]


def _combo_key(key: object, ticket: PaylogicTicket, single: Mapping[object, PaylogicTicket]) -> object:
    """Return the key of the combo that a ticket is a part of, otherwise its own."""
    seen = {key}
    while ticket.parent and ticket.parent not in seen:
        key = ticket.parent
        seen.add(key)
        if key not in single:
            break
        ticket = single[key]
    return key
