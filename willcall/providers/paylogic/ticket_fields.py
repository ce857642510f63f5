"""The fields of one ticket at Paylogic, as those of a `Ticket`.

https://shopping-api-docs.paylogic.com/documentation/tickets.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from willcall.orders.model import Money, Ticket, TicketEvent, TicketKind, TicketStatus
from willcall.orders.serialization import rfc3339
from willcall.providers.dates import moment
from willcall.providers.paylogic.hal import embedded, link, linked_uid, plain_fields, related, without_format
from willcall.providers.reading import as_object, as_text, extra_fields
from willcall.providers.ticket_status import ticket_status

#: The wallet links. They lack the prefix that all other relations have; both forms are read.
WALLETS = {
    "apple": ("apple_wallet_pass", "shop:apple_wallet_pass"),
    "google": ("google_wallet_token", "shop:google_wallet_token"),
}
#: What is read into fields of its own, and the customer's data.
_READ = {
    *("uid", "code", "seating", "price", "service_fee_paid", "scannable_until", "subproduct", "consumer", "status"),
    *("is_scanned",),
}
_READ_LINKS = {"shop:eticket", *WALLETS["apple"], *WALLETS["google"]}
#: Channels that a ticket can be offered to: the page describes the one name, its sample has the other.
_SALES = ("shop:secondary_sales", "shop:transfer_sale")
_LANGUAGE = "en"


def read_ticket_fields(
    ticket: Mapping[str, Any], kind: TicketKind, url: str | None, language: str | None = None
) -> Ticket:
    """Return a ticket with all its fields. The barcode's format is not documented."""
    used = ticket.get("is_scanned") is True or ticket_status(as_text(ticket.get("status"))) is TicketStatus.USED
    product = next(iter(embedded(ticket, "shop:product") or []), {})
    return _with_seat(
        Ticket(
            kind,
            url=url,
            code=as_text(ticket.get("code")),
            valid_until=rfc3339(moment(ticket.get("scannable_until"))),
            status=TicketStatus.USED if used else TicketStatus.VALID,
            title=text_in(product.get("name"), language),
            entrance=text_in(ticket.get("subproduct"), language),
            event=_event(ticket, language),
            price=_money(ticket.get("price")),
            fee=_money(ticket.get("service_fee_paid")),
            holder=dict(plain_fields(as_object(ticket.get("consumer")))) or None,
            extra=_extra(ticket),
        ),
        ticket,
        language,
    )


def read_wallet_pass(ticket: Mapping[str, Any], wallet: str, url: str, language: str | None = None) -> Ticket:
    """Return a wallet pass of a ticket. What else there is to say of the ticket is in its main part."""
    extra = {"ticket": as_text(ticket.get("uid")), "event_uid": linked_uid(ticket, "shop:event")}
    found = Ticket(
        TicketKind.WALLET, url=url, code=as_text(ticket.get("code")), wallet=wallet, extra=extra_fields(extra)
    )
    return _with_seat(found, ticket, language)


def text_in(texts: object, language: str | None) -> str | None:
    """Return a text in the language of the order, otherwise in English, otherwise the first that there is.

    https://shopping-api-docs.paylogic.com/objects/i18n.html
    """
    if not isinstance(texts, dict):
        return as_text(texts)
    wanted = (language or _LANGUAGE).partition("-")[0].lower()
    return next((text for name in (wanted, _LANGUAGE, *texts) if (text := as_text(texts.get(name)))), None)


def _with_seat(ticket: Ticket, fields: Mapping[str, Any], language: str | None) -> Ticket:
    seating = as_object(fields.get("seating"))
    labels = (text_in(seating.get(f"{name}_label"), language) for name in ("section", "row", "seat"))
    return replace(
        ticket,
        section=as_text(seating.get("section")),
        row=as_text(seating.get("row")),
        seat=as_text(seating.get("seat")),
        seat_label=", ".join(filter(None, labels)) or None,
    )


def _event(ticket: Mapping[str, Any], language: str | None) -> TicketEvent | None:
    """Return the event, as far as the ticket or the list that it is in shows it."""
    event = next(iter(embedded(ticket, "shop:event") or []), {})
    location = as_object(event.get("location"))
    venue = text_in(as_object(ticket.get("seating")).get("venue"), language)
    found = TicketEvent(
        id=linked_uid(ticket, "shop:event") or as_text(event.get("uid")),
        title=text_in(event.get("title"), language),
        starts_at=rfc3339(moment(event.get("event_start"))),
        ends_at=rfc3339(moment(event.get("event_end"))),
        venue=as_text(location.get("name")) or venue,
        city=as_text(location.get("city")),
        country=as_text(location.get("country")),
    )
    return None if found == TicketEvent() else found


def _money(value: object) -> Money | None:
    fields = as_object(value)
    amount, currency = as_text(fields.get("amount")), as_text(fields.get("currency"))
    return Money(amount, currency) if amount and currency else None


def _extra(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else the ticket says: its uids first, its own fields, and related and embedded resources."""
    resources = {
        "product": embedded(ticket, "shop:product"),
        "event": embedded(ticket, "shop:event"),
        "sales": embedded(ticket, *_SALES),
        "order": embedded(ticket, "shop:order"),
    }
    found = {name: [_resource(entry) for entry in entries] for name, entries in resources.items() if entries}
    single = {name: entries if name == "sales" or len(entries) > 1 else entries[0] for name, entries in found.items()}
    return extra_fields(
        {
            "ticket": as_text(ticket.get("uid")),
            "event_uid": linked_uid(ticket, "shop:event"),
            **{name: value for name, value in plain_fields(ticket) if name not in _READ},
            "links": related(ticket, _READ_LINKS) or None,
            **single,
        }
    )


def _resource(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an embedded resource without the customer's data."""
    return {name: value for name, value in without_format(entry).items() if name != "consumer"}


def eticket_of(ticket: Mapping[str, Any]) -> str | None:
    """Return the address of the e-ticket, once there is one."""
    return link(ticket, "shop:eticket")
