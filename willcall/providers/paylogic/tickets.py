"""The tickets in Paylogic's responses: which are issued, how many people they let in, and why others are not.

A combo is sold as a parent product with children; each of them has its own ticket, and all are for one person.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
https://shopping-api-docs.paylogic.com/concepts/conventions.html (HAL)
https://shopping-api-docs.sandbox.paylogic.com/documentation/ordercancellation.html (combos)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from willcall.orders.model import Need, Needs, Ticket, TicketKind, TicketStatus
from willcall.orders.outcomes import Cancelled, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.orders.serialization import rfc3339
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, without_duplicates
from willcall.orders.user_lists import Purchase, select_tickets, ticket_keys
from willcall.providers.base import OrderQuery
from willcall.providers.dates import is_older, moment
from willcall.providers.reading import as_int, as_list, as_object, as_text, as_web_url, extra_fields, status_word
from willcall.providers.ticket_status import CANCELLED, ticket_status

#: The relation of an order's tickets is not documented; links have both forms.
RELATIONS = ("shop:ticket", "shop:tickets")
#: The wallet links. They lack the prefix that all other relations have; both forms are read.
_WALLETS = {
    "apple": ("apple_wallet_pass", "shop:apple_wallet_pass"),
    "google": ("google_wallet_token", "shop:google_wallet_token"),
}
_NO_ETICKET = "no e-ticket yet"
_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class PaylogicTicket:
    """A ticket at Paylogic.

    `tickets` is empty until it is issued; then it is a file, wallet passes, or both. `not_before` is when it can be
    issued at the earliest (epoch), and `needs` what the customer has to do before. A `void` one
    lets nobody in, but is still shown. `parent` is the uid of the combo ticket that it is a part of.
    """

    tickets: Tickets = ()
    word: str | None = None
    waits_for: str | None = None
    not_before: float | None = None
    needs: Needs | None = None
    void: bool = False
    uid: str | None = None
    parent: str | None = None

    @property
    def issued(self) -> bool:
        """Whether it lets somebody in, now."""
        return bool(self.tickets) and not self.void

    @property
    def cancelled(self) -> bool:
        """Whether Paylogic says that it was cancelled, rather than void for another reason."""
        return self.void and (self.word or "").lower() in CANCELLED


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


def order_outcome(order: Mapping[str, Any], quantity: int | None, word: str | None, now: float) -> Outcome:
    """Return the outcome of an order's tickets, at `now`. `quantity` is the caller's."""
    found = embedded(order, *RELATIONS)
    if not found:
        # `shop:etickets` does not mean that they are issued: the documented cancelled order has that link too.
        linked = link(order, *RELATIONS, "shop:etickets")
        detail = "the order only links to its tickets" if linked else "no tickets yet"
        return NotReady(provider_status=word, detail=detail)
    bundles = _bundles(read_ticket(ticket, now) for ticket in found)
    members = [member for bundle in bundles for member in bundle.members]
    sold = _sold(order)
    if all(member.cancelled for member in members) and len(bundles) >= (quantity or sold or 1):
        return Cancelled("all tickets of the order were cancelled", provider_status=word)
    return _combined(bundles, _needed(bundles, quantity, sold), word, quantity=quantity)


def ticket_outcome(ticket: Mapping[str, Any], now: float) -> Outcome:
    """Return the outcome of a single ticket, at `now`."""
    found = read_ticket(ticket, now)
    if found.cancelled:
        return Cancelled("the ticket was cancelled", provider_status=found.word)
    return _combined(_bundles([found]), 1, found.word)


def user_list_outcome(body: Mapping[str, Any], query: OrderQuery, now: float) -> Outcome:
    """Return the outcome of the tickets that a user personalised, of all their orders.

    Issued once as many are the order's own as were bought. Void ones may belong to any order, and are left out.
    """
    listed = _listed_tickets(body, query.bought_at, now)
    if isinstance(listed, Malformed):
        return listed
    quantity = query.quantity or 1
    by_order: dict[str | None, list[PaylogicTicket]] = {}
    for order, ticket in listed:
        by_order.setdefault(order or ticket.uid, []).append(ticket)
    own = select_tickets([Purchase(_issued_tickets(group)) for group in by_order.values()], quantity, query.ownership)
    word = status_word(", ".join(dict.fromkeys(ticket.word for _, ticket in listed if ticket.word)))
    if count_admissions(own) >= quantity:
        return Issued(without_duplicates(own), provider_status=word)
    waiting = [bundle for bundle in _bundles(ticket for _, ticket in listed) if not bundle.issued]
    return _combined(waiting, quantity, word, own=own)


def user_list_keys(body: Mapping[str, Any], now: float) -> frozenset[str]:
    """Return what identifies all tickets in a user's own list."""
    return ticket_keys(_issued_tickets(_read_listed_ticket(ticket, now) for ticket in embedded(body, *RELATIONS) or []))


def _listed_tickets(
    body: Mapping[str, Any], bought_at: float, now: float
) -> list[tuple[str | None, PaylogicTicket]] | Malformed:
    """Return the tickets of a user's list that are not older than an order, each with the uid of its order."""
    found = embedded(body, *RELATIONS)
    if found is None:
        return Malformed(detail="no list of tickets in the response")
    old = {
        uid
        for event in embedded(body, "shop:event") or []
        if is_older(event, bought_at)
        for uid in (as_text(event.get("uid")), _linked_uid(event, "self"))
        if uid
    }
    recent = [one for one in found if not is_older(one, bought_at) and _linked_uid(one, "shop:event") not in old]
    read = ((_linked_uid(one, "shop:order"), _read_listed_ticket(one, now)) for one in recent)
    return [(order, ticket) for order, ticket in read if not ticket.void]


def _issued_tickets(found: Iterable[PaylogicTicket]) -> Tickets:
    return tuple(ticket for one in found if one.issued for ticket in one.tickets)


def _combined(
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
    needs = min((part.needs for part in waiting if part.needs), key=lambda each: each.until or inf, default=None)
    not_before = _earliest(waiting) if len(bundles) + len(own) >= needed else None
    if not any(map(admits_someone, tickets)):
        return NotReady(needs=needs, void=tickets, provider_status=word, detail=detail, not_before=not_before)
    return PartlyIssued(
        tickets, needed or None, needs=needs, provider_status=word, detail=detail, not_before=not_before
    )


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


def _bundles(found: Iterable[PaylogicTicket]) -> list[Bundle]:
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


# One ticket


def read_ticket(ticket: Mapping[str, Any], now: float) -> PaylogicTicket:
    """Return a ticket with all its fields, as read at `now`."""
    found = _obstacle(ticket, now) or _issued(ticket, now)
    return replace(found, uid=as_text(ticket.get("uid")), parent=_linked_uid(ticket, "shop:parent"))


def _read_listed_ticket(ticket: Mapping[str, Any], now: float) -> PaylogicTicket:
    """Return a ticket of a user's own list, which has a subset of the fields.

    The list shows no e-tickets, so a valid ticket counts as issued unless there is an `_obstacle`. Its own address
    leads the user to the rest.
    """
    found = read_ticket(ticket, now)
    address = link(ticket, "self")
    if found.waits_for != _NO_ETICKET or found.word is None or not address:
        return found
    return replace(found, tickets=(_ticket(ticket, TicketKind.LINK, address),), waits_for=None)


def _obstacle(ticket: Mapping[str, Any], now: float) -> PaylogicTicket | None:
    """Return why a ticket does not count even if it has a file, or `None`."""
    word = status_word(ticket.get("status"))
    match ticket_status(word):
        case TicketStatus.VOID:
            shown = replace(_ticket(ticket, TicketKind.BARCODE, None), status=TicketStatus.VOID)
            return PaylogicTicket((shown,), word=word, waits_for="a ticket is void", void=True)
        case None:
            return PaylogicTicket(word=word, waits_for="unknown status word of a ticket")
    if ticket.get("needs_personalization") is True:
        needed_by = moment(ticket.get("personalization_end"))
        until = rfc3339(needed_by)
        return PaylogicTicket(
            word=word,
            waits_for="the customer must personalise a ticket" + (f" until {until}" if until else ""),
            not_before=_fulfillment_start(ticket, now),
            needs=Needs(Need.PERSONALIZATION, needed_by),
        )
    return None


def _issued(ticket: Mapping[str, Any], now: float) -> PaylogicTicket:
    """Return the e-ticket with its wallet passes; passes alone only if issuing is not due later."""
    word = status_word(ticket.get("status"))
    eticket = link(ticket, "shop:eticket")
    passes = tuple(
        _ticket(ticket, TicketKind.WALLET, address, wallet=wallet)
        for wallet, names in _WALLETS.items()
        if (address := link(ticket, *names))
    )
    if eticket:
        return PaylogicTicket((_ticket(ticket, TicketKind.PDF, eticket), *passes), word)
    not_before = _fulfillment_start(ticket, now)
    if not_before:
        return PaylogicTicket(word=word, waits_for="fulfilment starts later", not_before=not_before)
    if passes:
        return PaylogicTicket(passes, word)
    # A null service fee means that the order is not completed. This only explains the status.
    unpaid = "service_fee_paid" in ticket and ticket["service_fee_paid"] is None
    return PaylogicTicket(word=word, waits_for="the order is not completed" if unpaid else _NO_ETICKET)


def _ticket(ticket: Mapping[str, Any], kind: TicketKind, url: str | None, wallet: str | None = None) -> Ticket:
    """Return a ticket with its seat. The barcode's format is not documented; the consumer's data is left out."""
    seating = as_object(ticket.get("seating"))
    used = ticket.get("is_scanned") is True or ticket_status(as_text(ticket.get("status"))) is TicketStatus.USED
    extra = {"ticket": as_text(ticket.get("uid")), "event_uid": _linked_uid(ticket, "shop:event"), "wallet": wallet}
    return Ticket(
        kind,
        url=url,
        code=as_text(ticket.get("code")),
        section=as_text(seating.get("section")),
        row=as_text(seating.get("row")),
        seat=as_text(seating.get("seat")),
        valid_until=rfc3339(moment(ticket.get("scannable_until"))),
        status=TicketStatus.USED if used else TicketStatus.VALID,
        extra=extra_fields(extra),
    )


def _fulfillment_start(ticket: Mapping[str, Any], now: float) -> float | None:
    """Return `fulfillment_starts_at` of an event with delayed fulfilment, if it is in the future."""
    starts_at = moment(ticket.get("fulfillment_starts_at"))
    return starts_at if starts_at is not None and starts_at > now else None


# HAL


def embedded(resource: Mapping[str, Any], *names: str) -> list[Mapping[str, Any]] | None:
    """Return the embedded resources under the first of the names, or `None` if they are missing or invalid."""
    resources = as_object(resource.get("_embedded"))
    value = next((resources[name] for name in names if resources.get(name) is not None), None)
    entries = as_list(value)
    return None if value is None or not all(isinstance(entry, dict) for entry in entries) else entries


def link(resource: Mapping[str, Any], *names: str) -> str | None:
    """Return the first web address under any of the names, or `None`. A relation is one link or a list."""
    links = as_object(resource.get("_links"))
    entries = (entry for name in names for entry in as_list(links.get(name)))
    return next(filter(None, (as_web_url(as_object(entry).get("href") or entry) for entry in entries)), None)


def _linked_uid(resource: Mapping[str, Any], name: str) -> str | None:
    """Return the uid at the end of a link's address."""
    address = link(resource, name)
    return address and (address.partition("?")[0].rstrip("/").rpartition("/")[2] or None)
