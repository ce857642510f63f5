"""The requests to Paylogic about one reference, beyond the first one.

An order may only link to its tickets, a user's list shows a part of each, and Google's wallet pass is a token at
another address. https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from willcall.http.messages import Request, Response
from willcall.orders.model import DocumentKind, OrderDocument, Ticket
from willcall.orders.outcomes import Issued, Malformed, Outcome, PartlyIssued
from willcall.orders.ticket_identity import provider_ticket_id
from willcall.providers.base import OrderQuery
from willcall.providers.conversations import Answer, Conversation, Step, fetch, find_owners, in_turn
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.paylogic.credentials import PaylogicCredentials
from willcall.providers.paylogic.hal import embedded, link, links, uid_of
from willcall.providers.paylogic.single_tickets import (
    PaylogicTicket,
    Reading,
    known_ticket,
    read_ticket,
    unread_ticket,
)
from willcall.providers.paylogic.tickets import order_outcome
from willcall.providers.paylogic.user_lists import (
    RELATIONS,
    ListedTicket,
    keys_of,
    listed_tickets,
    own_tickets,
    recent_tickets,
    user_list_outcome,
)
from willcall.providers.reading import as_text, read_text, status_outcome

#: Most pages of a list, and most tickets of an order, that one attempt requests.
_MOST_PAGES, _MOST_TICKETS = 20, 100
#: Fields of which a complete ticket has at least one, and a listed one none.
_COMPLETE = {"code", "seating", "needs_personalization", "fulfillment_starts_at", "service_fee_paid", "consumer"}
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
#: https://developers.google.com/wallet/generic/web
_SAVE_TO_GOOGLE_WALLET = "https://pay.google.com/gp/v/save/"

Read = Generator[Step, Answer, PaylogicTicket]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One order's question, and how to ask further."""

    query: OrderQuery
    credentials: PaylogicCredentials
    reading: Reading

    def get(self, address: str) -> Request:
        """Return the request for a linked resource."""
        headers = {"Accept": "application/hal+json", **self.credentials.headers()}
        return Request("GET", address, headers=headers)

    def may_get(self, address: str | None) -> bool:
        """Return whether a link leads to the API, which alone gets the account's credentials."""
        return address is not None and address.startswith(f"{self.credentials.base_url}/")

    def known(self, uid: str | None) -> PaylogicTicket | None:
        """Return a ticket of an open order that an earlier attempt has read."""
        return None if self.query.watched else known_ticket(uid, self.query.present)


def ask_for_tickets(inquiry: Inquiry, order: Mapping[str, Any], word: str | None) -> Conversation:
    """Read all tickets of an order: those that it contains, and those that it only links to."""
    contained = embedded(order, *RELATIONS) or []
    found = yield from in_turn(_complete(inquiry, ticket) for ticket in contained)
    uids = {ticket.uid for ticket in found}
    for address in links(order, *RELATIONS)[:_MOST_TICKETS]:
        if uid_of(address) not in uids:
            found += yield from _linked(inquiry, address)
    outcome = order_outcome(order, found, inquiry.query.quantity, word)
    outcome = yield from with_google_passes(inquiry, outcome)
    return _with_download(order, outcome)


def ask_for_user_list(inquiry: Inquiry, first: Mapping[str, Any]) -> Conversation:
    """Read a user's list to its end, and then the order's own tickets one by one."""
    query, reading = inquiry.query, inquiry.reading
    if embedded(first, *RELATIONS) is None:
        return Malformed(detail="no list of tickets in the response")
    pages = yield from _pages(inquiry, first)
    everything = [one for page in pages for one in listed_tickets(page, reading)]
    owners = yield from find_owners(keys_of(everything))
    recent = [one for page in pages for one in recent_tickets(page, query.bought_at, reading)]
    quantity = query.quantity or 1
    selected = own_tickets(recent, quantity, owners)[:_MOST_TICKETS]
    own = yield from in_turn(_own(inquiry, listed) for listed in selected)
    outcome = user_list_outcome(recent, own, quantity)
    return (yield from with_google_passes(inquiry, outcome))


def with_google_passes(inquiry: Inquiry, outcome: Outcome) -> Conversation:
    """Replace the addresses of Google's wallet tokens by links that a customer can tap.

    A pass that cannot be had now keeps the address of its token, and gets its link at a later poll.
    """
    if not isinstance(outcome, Issued | PartlyIssued):
        return outcome
    tickets = yield from in_turn(_with_google_link(inquiry, ticket) for ticket in outcome.tickets)
    return replace(outcome, tickets=tuple(tickets))


def _complete(inquiry: Inquiry, ticket: Mapping[str, Any]) -> Read:
    """Read a ticket within its order; if the order shows only a part of it, at its own address."""
    address = link(ticket, "self")
    if not _COMPLETE.isdisjoint(ticket) or link(ticket, "shop:eticket") or not inquiry.may_get(address):
        return read_ticket(ticket, inquiry.reading)
    uid = as_text(ticket.get("uid"))
    known = inquiry.known(uid)
    if known:
        return known
    body = yield from resource(inquiry, address or "")
    return read_ticket(body or ticket, inquiry.reading)


def _linked(inquiry: Inquiry, address: str) -> Generator[Step, Answer, list[PaylogicTicket]]:
    """Read a ticket that an order links to, or a list of them."""
    uid = uid_of(address)
    known = inquiry.known(uid)
    if known:
        return [known]
    body = yield from resource(inquiry, address) if inquiry.may_get(address) else _nothing()
    if body is None:
        return [unread_ticket(uid)]
    entries = embedded(body, *RELATIONS)
    if entries is None:
        return [read_ticket(body, inquiry.reading)]
    return (yield from in_turn(_complete(inquiry, entry) for entry in entries))


def _own(inquiry: Inquiry, listed: ListedTicket) -> Read:
    """Read one of the order's own tickets of a user's list."""
    known = inquiry.known(listed.ticket.uid)
    if known:
        return known
    if not inquiry.may_get(listed.address):
        return listed.ticket
    response = yield from fetch(inquiry.get(listed.address or ""))
    if response is None:
        return unread_ticket(listed.ticket.uid)
    body = _body(response)
    return read_ticket(body, inquiry.reading) if body else listed.ticket


def _pages(inquiry: Inquiry, first: Mapping[str, Any]) -> Generator[Step, Answer, list[Mapping[str, Any]]]:
    """Read a list to its end. A page that cannot be had now is read at a later poll."""
    pages, seen = [first], set[str]()
    while len(pages) < _MOST_PAGES:
        following = link(pages[-1], "next")
        if following is None or following in seen or not inquiry.may_get(following):
            break
        seen.add(following)
        body = yield from resource(inquiry, following)
        if body is None:
            break
        pages.append(body)
    return pages


def _with_google_link(inquiry: Inquiry, ticket: Ticket) -> Generator[Step, Answer, Ticket]:
    if ticket.wallet != "google":
        return ticket
    uid = provider_ticket_id(ticket)
    for old in inquiry.query.present:
        if old.wallet == "google" and provider_ticket_id(old) == uid and _is_google(old.url):
            return replace(ticket, url=old.url)
    if _is_google(ticket.url) or not inquiry.may_get(ticket.url):
        return ticket
    response = yield from fetch(inquiry.get(ticket.url or ""))
    token = _token(response) if response else None
    return replace(ticket, url=_SAVE_TO_GOOGLE_WALLET + token) if token else ticket


def _is_google(address: str | None) -> bool:
    return bool(address and address.startswith(_SAVE_TO_GOOGLE_WALLET))


def _token(response: Response) -> str | None:
    """Return the token in a response, whose form is not documented: the text itself, or a field of an object."""
    if status_outcome(response) is not None:
        return None
    body = read_lenient_object(response)
    texts = _texts(body) if isinstance(body, dict) else iter([_text(response)])
    return next((text for text in texts if _JWT.fullmatch(text)), None)


def _texts(fields: Mapping[str, Any]) -> Iterator[str]:
    return (text.removeprefix(_SAVE_TO_GOOGLE_WALLET) for value in fields.values() if (text := as_text(value)))


def _text(response: Response) -> str:
    try:
        return read_text(response).strip().strip('"').removeprefix(_SAVE_TO_GOOGLE_WALLET)
    except ValueError:
        return ""


def resource(inquiry: Inquiry, address: str) -> Generator[Step, Answer, Mapping[str, Any] | None]:
    """Return a linked resource, or `None` if it could not be had."""
    response = yield from fetch(inquiry.get(address))
    return _body(response) if response else None


def _nothing() -> Generator[Step, Answer, None]:
    yield from ()


def _body(response: Response) -> Mapping[str, Any] | None:
    body = None if status_outcome(response) is not None else read_lenient_object(response)
    return body if isinstance(body, dict) else None


def _with_download(order: Mapping[str, Any], outcome: Outcome) -> Outcome:
    """Add the download of all e-tickets, which an order has whether they are issued or not."""
    address = link(order, "shop:etickets")
    if address is None or not isinstance(outcome, Issued):
        return outcome
    return replace(outcome, documents=(OrderDocument(DocumentKind.TICKETS, address),))
