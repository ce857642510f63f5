"""The requests to Paylogic about one reference, beyond the first one.

An order may only link to its tickets, a user's list shows a part of each, and Google's wallet pass is a token at
another address. https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from willcall.http.messages import Request, Response
from willcall.http.urls import is_below
from willcall.orders.model import DocumentKind, OrderDocument, Ticket
from willcall.orders.outcomes import Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, provider_ticket_id, without_duplicates
from willcall.providers.base import OrderQuery
from willcall.providers.conversations import Answer, Conversation, Step, fetch, find_owners, in_turn
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.paylogic.credentials import PaylogicCredentials
from willcall.providers.paylogic.hal import embedded, link, links, plain_fields, uid_of
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
from willcall.providers.reading import as_text, read_text, status_outcome, with_order

#: Most pages of a list that one attempt requests. Tickets are limited by the tokens and the time of an attempt alone.
_MOST_PAGES = 20
#: Fields of which a complete ticket has at least one, and a listed one none.
_COMPLETE = {"code", "seating", "needs_personalization", "fulfillment_starts_at", "service_fee_paid", "consumer"}
#: Fields of an order that its tickets do not repeat: what is stored elsewhere, what changes, and the customer's data.
_NOT_KEPT = {"uid", "status", "consumer"}
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
        return address is not None and is_below(address, self.credentials.base_url)

    def known(self, uid: str | None) -> PaylogicTicket | None:
        """Return a ticket of an open order that an earlier attempt has read."""
        return None if self.query.watched else known_ticket(uid, self.query.present)

    def known_besides(self, uids: Iterable[str | None]) -> list[PaylogicTicket]:
        """Return the tickets of an open order that it has besides these, where a list could not be read to its end."""
        others = dict.fromkeys(map(provider_ticket_id, self.query.present))
        for uid in uids:
            others.pop(uid, None)
        return [known for uid in others if (known := self.known(uid))]


def ask_for_tickets(inquiry: Inquiry, order: Mapping[str, Any], word: str | None) -> Conversation:
    """Read all tickets of an order: those that it contains, and those that it only links to."""
    contained = embedded(order, *RELATIONS) or []
    found = yield from in_turn(_complete(inquiry, ticket) for ticket in contained)
    uids = {ticket.uid for ticket in found}
    for address in links(order, *RELATIONS):
        if uid_of(address) not in uids:
            found += yield from _linked(inquiry, address)
    if any(ticket.unread for ticket in found):
        found += inquiry.known_besides(ticket.uid for ticket in found)
    outcome = order_outcome(order, found, inquiry.query.quantity, word)
    outcome = yield from with_google_passes(inquiry, outcome)
    return _with_order(order, outcome)


def ask_for_user_list(inquiry: Inquiry, first: Mapping[str, Any]) -> Conversation:
    """Read a user's list to its end, and then the order's own tickets one by one."""
    query, reading = inquiry.query, inquiry.reading
    if embedded(first, *RELATIONS) is None:
        return Malformed(detail="no list of tickets in the response")
    pages, whole = yield from _pages(inquiry, first)
    everything = [one for page in pages for one in listed_tickets(page, reading)]
    owners = yield from find_owners(keys_of(everything))
    recent = [one for page in pages for one in recent_tickets(page, query.bought_at, reading)]
    quantity = query.quantity or 1
    elsewhere = [] if whole else inquiry.known_besides(one.ticket.uid for one in everything)
    selected = own_tickets(recent, quantity - len(elsewhere), owners) if len(elsewhere) < quantity else []
    own = yield from in_turn(_own(inquiry, listed) for listed in selected)
    outcome = user_list_outcome(recent, [*own, *elsewhere], quantity)
    return (yield from with_google_passes(inquiry, outcome))


def with_google_passes(inquiry: Inquiry, outcome: Outcome) -> Conversation:
    """Replace the addresses of Google's wallet tokens by links that a customer can tap.

    A ticket whose only part is a pass without a link is not issued yet. Where the conversation ends first, an open
    order waits for the links as long as each attempt brings something new; then they follow when it is watched.
    """
    if not isinstance(outcome, Issued | PartlyIssued):
        return outcome
    answers = yield from in_turn(_with_google_link(inquiry, ticket) for ticket in outcome.tickets)
    tickets = without_duplicates(ticket for ticket, _ in answers)
    usable = {_key(ticket) for ticket in tickets if not _is_unlinked(ticket)}
    rest = tuple(ticket for ticket in tickets if _key(ticket) in usable)
    if len(rest) < len(tickets):
        return _without_links(outcome, tickets, rest)
    outcome = replace(outcome, tickets=tickets)
    is_cut = not all(answered for _, answered in answers)
    if not isinstance(outcome, Issued) or not is_cut or inquiry.query.watched or not _brings_news(inquiry, tickets):
        return outcome
    detail = "the tickets are here; links of wallet passes follow"
    return PartlyIssued(tickets, provider_status=outcome.provider_status, detail=detail)


def _without_links(outcome: Issued | PartlyIssued, tickets: Tickets, rest: Tickets) -> Outcome:
    """Return the outcome without the tickets that lack the link of their only pass."""
    word, detail = outcome.provider_status, "the link of a wallet pass is missing"
    needs, not_before = (outcome.needs, outcome.not_before) if isinstance(outcome, PartlyIssued) else (None, None)
    if not any(map(admits_someone, rest)):
        return NotReady(provider_status=word, detail=detail, needs=needs, not_before=not_before, void=rest)
    expected = outcome.expected if isinstance(outcome, PartlyIssued) else count_admissions(tickets)
    return PartlyIssued(rest, expected, needs=needs, provider_status=word, detail=detail, not_before=not_before)


def _brings_news(inquiry: Inquiry, tickets: Tickets) -> bool:
    """Return whether the order does not have all of these yet."""
    present = {(_key(ticket), ticket.wallet, _is_unlinked(ticket)) for ticket in inquiry.query.present}
    return any((_key(ticket), ticket.wallet, _is_unlinked(ticket)) not in present for ticket in tickets)


def _key(ticket: Ticket) -> str | None:
    """Return what the parts of one ticket have in common."""
    return provider_ticket_id(ticket) or ticket.code or ticket.url


def _is_unlinked(ticket: Ticket) -> bool:
    return ticket.wallet == "google" and not _is_google(ticket.url)


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
    if embedded(body, *RELATIONS) is None:
        return [read_ticket(body, inquiry.reading)]
    pages, whole = yield from _pages(inquiry, body)
    entries = [entry for page in pages for entry in embedded(page, *RELATIONS) or []]
    found = yield from in_turn(_complete(inquiry, entry) for entry in entries)
    return found if whole else [*found, unread_ticket(None)]


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


def _pages(inquiry: Inquiry, first: Mapping[str, Any]) -> Generator[Step, Answer, tuple[list[Mapping[str, Any]], bool]]:
    """Return the pages of a list, and whether these are all. A page that cannot be had now is read at a later poll."""
    pages, seen = [first], set[str]()
    while (following := link(pages[-1], "next")) and following not in seen:
        seen.add(following)
        within = len(pages) < _MOST_PAGES and inquiry.may_get(following)
        body = (yield from resource(inquiry, following)) if within else None
        if body is None:
            return pages, False
        pages.append(body)
    return pages, True


def _with_google_link(inquiry: Inquiry, ticket: Ticket) -> Generator[Step, Answer, tuple[Ticket, bool]]:
    """Return a ticket, with its link if it is a pass for Google Wallet, and whether nothing is left to ask."""
    if not _is_unlinked(ticket):
        return ticket, True
    for old in inquiry.query.present:
        if old.wallet == "google" and _key(old) == _key(ticket) and _is_google(old.url):
            return replace(ticket, url=old.url), True
    if not inquiry.may_get(ticket.url):
        return ticket, True
    response = yield from fetch(inquiry.get(ticket.url or ""))
    token = _token(response) if response else None
    made = replace(ticket, url=_SAVE_TO_GOOGLE_WALLET + token) if token else ticket
    return made, response is not None


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


def _with_order(order: Mapping[str, Any], outcome: Outcome) -> Outcome:
    """Add what the order says beyond its tickets, and the download of all e-tickets once they are issued.

    An order has the download whether its tickets are issued or not.
    """
    if not isinstance(outcome, Issued | PartlyIssued):
        return outcome
    tickets = with_order(outcome.tickets, dict(plain_fields(order)), _NOT_KEPT)
    address = link(order, "shop:etickets") if isinstance(outcome, Issued) else None
    documents = (OrderDocument(DocumentKind.TICKETS, address),) if address else ()
    return replace(outcome, tickets=tickets, documents=documents)
