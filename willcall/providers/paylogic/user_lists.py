"""The tickets that a Cognito user personalised, of all their orders: which belong to one order.

The list shows a part of each ticket. The rest is at the ticket's own address, which is requested for the order's own
tickets only. A user who did not create the order may not read it there; then the list is all there is.

https://shopping-api-docs.paylogic.com/documentation/tickets.html (all tickets for a Cognito user)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from willcall.orders.outcomes import Issued, Outcome
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, provider_ticket_id, without_duplicates
from willcall.orders.user_lists import Ownership, Purchase, select_tickets, ticket_keys
from willcall.providers.dates import is_older
from willcall.providers.paylogic.hal import embedded, link, linked_uid
from willcall.providers.paylogic.single_tickets import PaylogicTicket, Reading, read_listed_ticket
from willcall.providers.paylogic.tickets import bundles_of, combined
from willcall.providers.reading import as_object, as_text, status_word

#: The relation of tickets in an order is not documented; links have both forms.
RELATIONS = ("shop:ticket", "shop:tickets")


@dataclass(frozen=True, slots=True)
class ListedTicket:
    """A ticket in the list: the uid of its order, its own address, and what the list shows of it."""

    order: str | None
    address: str | None = field(repr=False)
    ticket: PaylogicTicket


def listed_tickets(body: Mapping[str, Any], reading: Reading) -> list[ListedTicket]:
    """Return all tickets of a page, each with the event and product that the page shows of it."""
    events = _by_uid(embedded(body, "shop:event") or [])
    products = _by_uid(embedded(body, "shop:product") or [])
    return [
        ListedTicket(
            linked_uid(entry, "shop:order"),
            link(entry, "self"),
            read_listed_ticket(_with_parts(entry, events, products), reading),
        )
        for entry in embedded(body, *RELATIONS) or []
    ]


def keys_of(listed: Iterable[ListedTicket]) -> frozenset[str]:
    """Return what identifies all tickets of a list."""
    return ticket_keys(_issued(one.ticket for one in listed))


def recent_tickets(body: Mapping[str, Any], bought_at: float, reading: Reading) -> list[ListedTicket]:
    """Return the tickets of a page that are valid and not older than an order."""
    old = {
        uid
        for event in embedded(body, "shop:event") or []
        if is_older(event, bought_at)
        for uid in (as_text(event.get("uid")), linked_uid(event, "self"))
        if uid
    }
    young = [
        entry
        for entry in embedded(body, *RELATIONS) or []
        if not is_older(entry, bought_at) and linked_uid(entry, "shop:event") not in old
    ]
    page = {"_embedded": {**as_object(body.get("_embedded")), RELATIONS[0]: young}}
    return [one for one in listed_tickets(page, reading) if not one.ticket.void]


def own_tickets(listed: Sequence[ListedTicket], quantity: int, ownership: Ownership) -> list[ListedTicket]:
    """Return the tickets of the list that belong to the order, for `quantity` people."""
    by_order: dict[str | None, list[PaylogicTicket]] = {}
    for one in listed:
        by_order.setdefault(one.order or one.ticket.uid, []).append(one.ticket)
    selected = select_tickets([Purchase(_issued(group)) for group in by_order.values()], quantity, ownership)
    uids = {provider_ticket_id(ticket) for ticket in selected}
    return [one for one in listed if one.ticket.uid in uids]


def user_list_outcome(listed: Sequence[ListedTicket], own: Sequence[PaylogicTicket], quantity: int) -> Outcome:
    """Return the outcome: issued once as many tickets are the order's own as were bought."""
    tickets = without_duplicates(_issued(own))
    word = status_word(", ".join(dict.fromkeys(one.ticket.word for one in listed if one.ticket.word)))
    if count_admissions(tickets) >= quantity:
        return Issued(tickets, provider_status=word)
    uids = {ticket.uid for ticket in own}
    others = [one.ticket for one in listed if not one.ticket.issued and one.ticket.uid not in uids]
    waiting = [bundle for bundle in bundles_of([*own, *others]) if not bundle.issued]
    return combined(waiting, quantity, word, own=tickets)


def _issued(found: Iterable[PaylogicTicket]) -> Tickets:
    return tuple(ticket for one in found if one.issued for ticket in one.tickets)


def _by_uid(resources: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {
        uid: resource
        for resource in resources
        for uid in (as_text(resource.get("uid")), linked_uid(resource, "self"))
        if uid
    }


def _with_parts(
    entry: Mapping[str, Any], events: Mapping[str, Mapping[str, Any]], products: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a ticket with its event and its product, which a list embeds beside its tickets."""
    parts = {
        "shop:event": events.get(linked_uid(entry, "shop:event") or ""),
        "shop:product": products.get(linked_uid(entry, "shop:product") or ""),
    }
    own = entry.get("_embedded")
    found = {name: part for name, part in parts.items() if part is not None}
    return {**entry, "_embedded": {**found, **(own if isinstance(own, dict) else {})}}
