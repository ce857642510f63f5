"""The outcome of Funtrips' records for one checkout, or for an order in a user's list."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from willcall.orders.model import Ticket
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone
from willcall.orders.user_lists import Purchase, select_tickets, ticket_keys
from willcall.providers.base import OrderQuery
from willcall.providers.funtrips.records import ENDED, Record, RecordStatus, of_checkout, of_user, words
from willcall.providers.funtrips.tickets import Documents, RecordTickets, sum_up


def checkout_outcome(
    records: Sequence[Record], checkout: str, quantity: int | None = None, *, unread: str | None = None
) -> Outcome:
    """Return the outcome of one checkout's records.

    A record that names another checkout is ignored, whatever the filter was. The order is failed or cancelled only if
    all records say so. A 200 has all tickets, so they are not counted: one may be for a group. But if tickets are
    listed repeatedly, and there are fewer different ones than the caller's `quantity`, some are missing. `unread`: what
    of the answer could not be read in this attempt.
    """
    ours = of_checkout(checkout, records)
    if isinstance(ours, Malformed):
        return NotReady(detail=unread) if unread else ours
    word = words(ours)
    statuses = {record.status for record in ours}
    if statuses == {RecordStatus.CANCELLED} and not unread:
        return Cancelled("the checkout was cancelled", provider_status=word)
    live = [record for record in ours if record.status is not RecordStatus.CANCELLED and record.has_tickets]
    listed = sum_up(record.tickets for record in live)
    if not listed.count:
        if statuses and statuses <= ENDED and not unread:
            return Declined("the fulfilment failed", provider_status=word)
        return _without_tickets(statuses, word, unreadable=listed.unreadable, unread=unread)
    missing = unread or _missing(listed, ours, quantity)
    if missing is None:
        tickets = _with_covers(listed.distinct, quantity)
        return Issued(tickets, provider_status=word, documents=listed.documents)
    return PartlyIssued(listed.distinct, quantity, detail=missing, provider_status=word, documents=listed.documents)


def user_outcome(
    records: Sequence[Record], user: str | None, query: OrderQuery, *, unread: str | None = None
) -> Outcome:
    """Return the outcome of a user's list: issued once it has as many of the order's own tickets as were bought.

    It also lists other orders of the user. So a failed or cancelled record decides nothing, and tickets that are older
    than the order or owned by another one do not count.
    """
    ours = of_user(user, records)
    if isinstance(ours, Malformed):
        return NotReady(detail=unread) if unread else ours
    word, quantity = words(ours), query.quantity or 1
    recent = recent_records(ours, query)
    own, found = own_tickets(recent, query)
    documents, count = _own_documents(own, found), count_admissions(own)
    if count >= quantity:
        return Issued(own, provider_status=word, documents=documents)
    if count:
        detail = unread or f"{count} of {quantity} tickets"
        return PartlyIssued(own, quantity, detail=detail, provider_status=word, documents=documents)
    unreadable = any(listed.unreadable for _, listed in found)
    return _without_tickets({record.status for record in recent}, word, unreadable=unreadable, unread=unread)


def recent_records(records: Iterable[Record], query: OrderQuery) -> list[Record]:
    """Return the records of a user's list that an order's tickets may be in."""
    return [record for record in records if record.status not in ENDED and not record.is_older(query.bought_at)]


def own_tickets(recent: Iterable[Record], query: OrderQuery) -> tuple[Tickets, list[tuple[Record, RecordTickets]]]:
    """Return the order's own tickets, and the recent records with the tickets of each."""
    found = [(record, record.tickets_since(query.bought_at)) for record in recent if record.has_tickets]
    purchases = [Purchase(listed.tickets, record.changed_at) for record, listed in found]
    return select_tickets(purchases, query.quantity or 1, query.ownership), found


def user_ticket_keys(records: Sequence[Record], user: str | None) -> frozenset[str]:
    """Return what identifies all tickets in the list of one user."""
    ours = of_user(user, records)
    return frozenset() if isinstance(ours, Malformed) else ticket_keys(sum_up(one.tickets for one in ours).tickets)


def _missing(listed: RecordTickets, records: Sequence[Record], quantity: int | None) -> str | None:
    """Return what is still missing of a checkout with tickets, or `None`."""
    if listed.unreadable or any(record.is_open for record in records):
        return "a part of the order has no tickets"
    if listed.repeated and listed.count < (quantity or 0):
        return f"{listed.count} of {quantity} tickets"
    return None


def _without_tickets(
    statuses: set[RecordStatus], word: str | None, *, unreadable: bool, unread: str | None
) -> NotReady | Malformed:
    if unread:
        return NotReady(detail=unread, provider_status=word)
    if unreadable:
        return Malformed(detail="tickets without a code and without a PDF", provider_status=word)
    detail = "unknown status word" if RecordStatus.UNKNOWN in statuses else "no tickets yet"
    return NotReady(detail=detail, provider_status=word)


def _with_covers(tickets: Tickets, quantity: int | None) -> Tickets:
    """Return all tickets of a checkout, with how many people each lets in as far as that is certain.

    A single PDF for the whole checkout is for everyone. With fewer tickets than the caller bought, some of them are for
    several people, and nobody says which.
    """
    if quantity is None:
        return tickets
    if len(tickets) == 1 and tickets[0].covers is None:
        return (replace(tickets[0], covers=quantity),)
    if count_admissions(tickets) >= quantity:
        return tickets
    return tuple(replace(ticket, covers=None) if ticket.covers == 1 else ticket for ticket in tickets)


def _own_documents(own: Tickets, found: Iterable[tuple[Record, RecordTickets]]) -> Documents:
    """Return the PDFs of records of which all tickets are the order's own."""
    mine = set(map(_mark, own))
    wholly_own = (each for _, each in found if all(_mark(one) in mine for one in each.tickets if admits_someone(one)))
    return sum_up(each for each in wholly_own if each.tickets).documents


def _mark(ticket: Ticket) -> tuple[object, ...]:
    return ticket.kind, ticket.code, ticket.url, ticket.extra.get("ticket_id")
