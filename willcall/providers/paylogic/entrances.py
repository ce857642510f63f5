"""One Paylogic ticket: whether it is issued, what it consists of, and what it waits for.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from willcall.orders.model import Attention, Ticket, TicketKind, TicketStatus
from willcall.orders.serialization import rfc3339
from willcall.providers.dates import moment
from willcall.providers.paylogic.hal import link, linked_uid
from willcall.providers.reading import as_object, as_text, extra_fields
from willcall.providers.safe import status_word
from willcall.providers.ticket_status import CANCELLED, ticket_status

_NO_ETICKET = "no e-ticket yet"

#: The wallet links, printed without the prefix that all other relations have; we take both.
_WALLETS = {
    "apple": ("apple_wallet_pass", "shop:apple_wallet_pass"),
    "google": ("google_wallet_token", "shop:google_wallet_token"),
}


@dataclass(frozen=True, slots=True)
class Entrance:
    """One ticket of Paylogic's. `tickets` is empty until it is issued; then it is a file, wallet passes, or both.

    `not_before` is when it can be issued at the earliest (epoch), where Paylogic says so. A `void` one lets nobody in;
    its `tickets` are what is shown of it. `parent` is the uid of the combo ticket that it is a part of.
    """

    tickets: tuple[Ticket, ...] = ()
    word: str | None = None
    waits_for: str | None = None
    not_before: float | None = None
    attention: Attention | None = None
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


def read_entrance(ticket: Mapping[str, Any], now: float) -> Entrance:
    """Return a ticket with all its fields, as read at `now`."""
    entrance = _obstacle(ticket, now) or _issued(ticket, now)
    return replace(entrance, uid=as_text(ticket.get("uid")), parent=linked_uid(ticket, "shop:parent"))


def read_listed_entrance(ticket: Mapping[str, Any], now: float) -> Entrance:
    """Return a ticket of a user's own list, which holds a subset of the fields.

    The list shows no e-tickets, so a valid ticket is issued once nothing stands against it; its own
    address leads the user to the rest.
    """
    entrance = read_entrance(ticket, now)
    address = link(ticket, "self")
    if entrance.waits_for != _NO_ETICKET or entrance.word is None or not address:
        return entrance
    return replace(entrance, tickets=(_placed(ticket, TicketKind.LINK, address),), waits_for=None)


def _obstacle(ticket: Mapping[str, Any], now: float) -> Entrance | None:
    """Return why a ticket does not count even if its file is there, `None` where nothing stands against it."""
    word = status_word(ticket.get("status"))
    match ticket_status(word):
        case TicketStatus.VOID:
            shown = replace(_placed(ticket, TicketKind.BARCODE, None), status=TicketStatus.VOID)
            return Entrance((shown,), word=word, waits_for="a ticket is void", void=True)
        case None:
            return Entrance(word=word, waits_for="unknown status word of a ticket")
    if ticket.get("needs_personalization") is True:
        return Entrance(
            word=word,
            waits_for=f"the customer must personalise a ticket{_until(ticket.get('personalization_end'))}",
            not_before=_future(ticket, now),
            attention=Attention.PERSONALIZATION,
        )
    return None


def _issued(ticket: Mapping[str, Any], now: float) -> Entrance:
    """Return the e-ticket with its wallet passes; passes alone only where issuing is not due later."""
    word = status_word(ticket.get("status"))
    eticket = link(ticket, "shop:eticket")
    passes = tuple(
        _placed(ticket, TicketKind.WALLET, address, wallet=wallet)
        for wallet, names in _WALLETS.items()
        if (address := link(ticket, *names))
    )
    if eticket:
        return Entrance((_placed(ticket, TicketKind.PDF, eticket), *passes), word)
    not_before = _future(ticket, now)
    if not_before:
        return Entrance(word=word, waits_for="fulfilment starts later", not_before=not_before)
    if passes:
        return Entrance(passes, word)
    # A null service fee belongs to an order that is not completed; it says so, it decides nothing.
    unpaid = "service_fee_paid" in ticket and ticket["service_fee_paid"] is None
    return Entrance(word=word, waits_for="the order is not completed" if unpaid else _NO_ETICKET)


def _placed(ticket: Mapping[str, Any], kind: TicketKind, url: str | None, wallet: str | None = None) -> Ticket:
    """Return a ticket at its seat. The barcode's format is stated nowhere; the consumer's data is not taken."""
    seating = as_object(ticket.get("seating"))
    used = ticket.get("is_scanned") is True or ticket_status(as_text(ticket.get("status"))) is TicketStatus.USED
    extra = {"ticket": as_text(ticket.get("uid")), "event_uid": linked_uid(ticket, "shop:event"), "wallet": wallet}
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


def _future(ticket: Mapping[str, Any], now: float) -> float | None:
    """`fulfillment_starts_at` of an event with delayed fulfilment, where that is still to come."""
    starts_at = moment(ticket.get("fulfillment_starts_at"))
    return starts_at if starts_at is not None and starts_at > now else None


def _until(value: object) -> str:
    until = rfc3339(moment(value))
    return f" until {until}" if until else ""
