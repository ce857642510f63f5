"""One ticket at Paylogic: whether it is issued, and if not, what it waits for.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from willcall.orders.model import Need, Needs, Ticket, TicketKind, TicketStatus
from willcall.orders.serialization import rfc3339
from willcall.orders.ticket_identity import Tickets, admits_someone, provider_ticket_id
from willcall.providers.dates import moment
from willcall.providers.paylogic.hal import link, linked_uid, uid_of
from willcall.providers.paylogic.ticket_fields import WALLETS, eticket_of, read_ticket_fields, read_wallet_pass
from willcall.providers.reading import as_object, as_text, status_word
from willcall.providers.ticket_status import CANCELLED, ticket_status

_NO_ETICKET = "no e-ticket yet"
_UNREAD = "a ticket has not been read yet"


@dataclass(frozen=True, slots=True)
class Reading:
    """The moment (epoch seconds) at which a ticket is read, and the language of its order."""

    now: float
    language: str | None = None


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
    def unread(self) -> bool:
        """Whether this attempt could not read it."""
        return self.waits_for == _UNREAD

    @property
    def cancelled(self) -> bool:
        """Whether Paylogic says that it was cancelled, rather than void for another reason."""
        return self.void and (self.word or "").lower() in CANCELLED


def read_ticket(ticket: Mapping[str, Any], reading: Reading) -> PaylogicTicket:
    """Return a ticket with all its fields."""
    found = _obstacle(ticket, reading) or _issued(ticket, reading)
    return replace(found, uid=as_text(ticket.get("uid")), parent=linked_uid(ticket, "shop:parent"))


def read_listed_ticket(ticket: Mapping[str, Any], reading: Reading) -> PaylogicTicket:
    """Return a ticket of a user's own list, which has a subset of the fields.

    The list shows no e-tickets, so a valid ticket counts as issued unless there is an `_obstacle`. Its own address
    leads the user to the rest.
    """
    found = read_ticket(ticket, reading)
    address = link(ticket, "self")
    if found.waits_for != _NO_ETICKET or found.word is None or not address:
        return found
    shown = read_ticket_fields(ticket, TicketKind.LINK, address, reading.language)
    return replace(found, tickets=(shown,), waits_for=None)


def unread_ticket(uid: str | None) -> PaylogicTicket:
    """Return a ticket that the order links to, but that this attempt could not read."""
    return PaylogicTicket(uid=uid, waits_for=_UNREAD)


def known_ticket(uid: str | None, present: Iterable[Ticket]) -> PaylogicTicket | None:
    """Return a ticket that the order has from an earlier attempt, or `None`."""
    own = tuple(ticket for ticket in present if uid and provider_ticket_id(ticket) == uid and admits_someone(ticket))
    if not own:
        return None
    parents = (as_text(as_object(ticket.extra.get("links")).get("parent")) for ticket in own)
    return PaylogicTicket(own, uid=uid, parent=uid_of(next(filter(None, parents), None)))


def _obstacle(ticket: Mapping[str, Any], reading: Reading) -> PaylogicTicket | None:
    """Return why a ticket does not count even if it has a file, or `None`."""
    word = status_word(ticket.get("status"))
    match ticket_status(word):
        case TicketStatus.VOID:
            shown = read_ticket_fields(ticket, TicketKind.BARCODE, None, reading.language)
            void = replace(shown, status=TicketStatus.VOID)
            return PaylogicTicket((void,), word=word, waits_for="a ticket is void", void=True)
        case None:
            return PaylogicTicket(word=word, waits_for="unknown status word of a ticket")
    if ticket.get("needs_personalization") is not True:
        return None
    needs = _personalization(ticket, reading.now)
    until = rfc3339(needs.until)
    return PaylogicTicket(
        word=word,
        waits_for="the customer must personalise a ticket" + (f" until {until}" if until else ""),
        not_before=_fulfillment_start(ticket, reading.now),
        needs=needs,
    )


def _personalization(ticket: Mapping[str, Any], now: float) -> Needs:
    """Return what the customer has to do. The request's address is where it is done, if there is one."""
    starts_at, ends_at = (moment(ticket.get(f"personalization_{name}")) for name in ("start", "end"))
    detail = None
    if ends_at is not None and ends_at <= now:
        detail = f"The time to personalise the tickets ended at {rfc3339(ends_at)}. Ask Paylogic what to do."
    elif starts_at is not None and starts_at > now:
        detail = f"The tickets can be personalised from {rfc3339(starts_at)} on."
    form = as_object(ticket.get("personalization_form"))
    return Needs(Need.PERSONALIZATION, ends_at, link(ticket, "shop:personalization_request"), detail, form or None)


def _issued(ticket: Mapping[str, Any], reading: Reading) -> PaylogicTicket:
    """Return the e-ticket with its wallet passes; passes alone only if issuing is not due later."""
    word = status_word(ticket.get("status"))
    eticket = eticket_of(ticket)
    passes = tuple(
        read_wallet_pass(ticket, wallet, address, reading.language)
        for wallet, names in WALLETS.items()
        if (address := link(ticket, *names))
    )
    if eticket:
        return PaylogicTicket((read_ticket_fields(ticket, TicketKind.PDF, eticket, reading.language), *passes), word)
    not_before = _fulfillment_start(ticket, reading.now)
    if not_before:
        return PaylogicTicket(word=word, waits_for="fulfilment starts later", not_before=not_before)
    if passes:
        # There is no e-ticket, so the first pass has all the fields.
        whole = read_ticket_fields(ticket, TicketKind.WALLET, passes[0].url, reading.language)
        return PaylogicTicket((replace(whole, wallet=passes[0].wallet), *passes[1:]), word)
    # A null service fee means that the order is not completed. This only explains the status.
    unpaid = "service_fee_paid" in ticket and ticket["service_fee_paid"] is None
    return PaylogicTicket(word=word, waits_for="the order is not completed" if unpaid else _NO_ETICKET)


def _fulfillment_start(ticket: Mapping[str, Any], now: float) -> float | None:
    """Return `fulfillment_starts_at` of an event with delayed fulfilment, if it is in the future."""
    starts_at = moment(ticket.get("fulfillment_starts_at"))
    return starts_at if starts_at is not None and starts_at > now else None
