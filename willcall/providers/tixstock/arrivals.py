"""What a fulfilment webhook of Tixstock brings: a file, mobile links, proofs, or a parcel on its way.

https://pf-api-documentation.tixstock.com/v1/webhooks/overview
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.pushes import InvalidPush, TicketsPush
from willcall.providers.base64_files import decode_base64
from willcall.providers.pushes import ParsedPush
from willcall.providers.reading import as_list, as_text, as_web_url, extra_fields
from willcall.providers.tixstock.tickets import file_value, link_tickets, shipment_of, truth

_NOT_BASE64 = "the file is not base64"
_NOTHING = "there is neither a file nor a link"


def read_parcel(reference: str, kind: str, data: Mapping[str, Any]) -> ParsedPush:
    """Paper: one parcel with all tickets of the order."""
    shipment = shipment_of(data)
    if shipment is None:
        return ParsedPush(reference, kind, InvalidPush("no tracking id"))
    return ParsedPush(reference, kind, TicketsPush((shipment,), complete=True), files=(None,))


def read_upload(reference: str, kind: str, data: Mapping[str, Any]) -> ParsedPush:
    """Return what was uploaded: a file in base64, mobile links, or (for transfers by app) proofs alone.

    All that a webhook holds is kept. Proofs beside a file or a link belong to it, see `extra`.
    """
    item = _placeable(data)
    links = [replace(link, extra=_extra(item)) for link in link_tickets(item)]
    given = len(as_list(data.get("mobile_links")))
    remarks = [f"{given - len(links)} of {given} links are no web addresses"] if len(links) < given else []
    files = _files(item)
    if None in files:
        remarks.append(_NOT_BASE64)
    usable = [file for file in files if file is not None]
    tickets: list[Ticket] = [*(ticket for ticket, _ in usable), *links]
    if not tickets and not remarks:
        proofs = [link for link in map(as_web_url, as_list(data.get("proof_file_url"))) if link]
        tickets = [_ticket(TicketKind.PAGE, item, proof) for proof in dict.fromkeys(proofs)]
    if not tickets:
        return ParsedPush(reference, kind, InvalidPush(_NOT_BASE64 if _NOT_BASE64 in remarks else _NOTHING))
    contents = [content for _, content in usable]
    contents += [None] * (len(tickets) - len(contents))
    return ParsedPush(
        reference, kind, TicketsPush(tuple(tickets), detail="; ".join(remarks) or None), files=tuple(contents)
    )


def _files(item: Mapping[str, Any]) -> list[tuple[Ticket, bytes | None] | None]:
    """Return a ticket for each file, with its content or else with its address, `None` for one that is neither.

    Documented is one file in base64. A list and an object are read as in the order itself.
    """
    entries = [entry for entry in as_list(item.get("file")) if as_text(file_value(entry))]
    alone = all(entry == entries[0] for entry in entries)
    return [_file({**item, "seat": item.get("seat") if alone else None}, file_value(entry)) for entry in entries]


def _file(item: Mapping[str, Any], value: object) -> tuple[Ticket, bytes | None] | None:
    url = as_web_url(value)
    if url:
        return _ticket(TicketKind.PDF, item, url), None
    content = decode_base64(value)
    return None if content is None else (_ticket(TicketKind.PDF, item), content)


def _placeable(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the upload as an item of an order. General admission has no seats, whatever stands there."""
    item = {**data, "listing_id": data.get("id")}
    if truth(data.get("general_admission")):
        item |= {"section": None, "row": None, "seat": None}
    return item


def _ticket(kind: TicketKind, item: Mapping[str, Any], url: str | None = None) -> Ticket:
    section, row, seat = (as_text(item.get(name)) for name in ("section", "row", "seat"))
    return Ticket(kind, url=url, section=section, row=row, seat=seat, extra=_extra(item))


def _extra(item: Mapping[str, Any]) -> dict[str, Any]:
    return extra_fields(
        {
            "listing_id": as_text(item.get("listing_id")),
            "general_admission": truth(item.get("general_admission")),
            "additional_file": as_web_url(item.get("additional_file")),
            "proof_file_url": [link for link in map(as_web_url, as_list(item.get("proof_file_url"))) if link] or None,
        }
    )
