"""What a fulfilment webhook of Tixstock brings: a file, mobile links, proofs, or a parcel on its way.

https://pf-api-documentation.tixstock.com/v1/webhooks/overview
"""

from collections.abc import Mapping
from typing import Any

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.pushes import Arrived, Spoilt
from willcall.providers.adapters.tixstock.tickets import link_tickets, shipment_of, truth
from willcall.providers.base64_files import decode_base64
from willcall.providers.pushes import Pushed
from willcall.providers.reading import kept, listed, text, web_link


def read_parcel(reference: str, kind: str, data: Mapping[str, Any]) -> Pushed:
    """Paper: one parcel with all tickets of the order."""
    shipment = shipment_of(data)
    if shipment is None:
        return Pushed(reference, kind, Spoilt("no tracking id"))
    return Pushed(reference, kind, Arrived((shipment,), whole=True), files=(None,))


def read_upload(reference: str, kind: str, data: Mapping[str, Any]) -> Pushed:
    """What was uploaded for one seat: a file in base64, or links, or (for transfers by app) proofs alone."""
    item = _placeable(data)
    if text(data.get("file")):
        content = decode_base64(data["file"])
        if content is None:
            return Pushed(reference, kind, Spoilt("the file is not base64"))
        return Pushed(reference, kind, Arrived((_ticket(TicketKind.PDF, item),)), files=(content,))
    links = tuple(_extended(link, item) for link in link_tickets(item))
    given = len(listed(data.get("mobile_links")))
    if links:
        odd = f"{given - len(links)} of {given} links are no web addresses" if len(links) < given else None
        return Pushed(reference, kind, Arrived(links, detail=odd), files=(None,) * len(links))
    proofs = [link for link in map(web_link, listed(data.get("proof_file_url"))) if link]
    if proofs and not given:
        page = _ticket(TicketKind.PAGE, item, proofs[0])
        return Pushed(reference, kind, Arrived((page,)), files=(None,))
    return Pushed(reference, kind, Spoilt("there is neither a file nor a link"))


def _placeable(data: Mapping[str, Any]) -> dict[str, Any]:
    """The upload as an item of an order. General admission has no seats, whatever stands there."""
    item = {**data, "listing_id": data.get("id")}
    if truth(data.get("general_admission")):
        item |= {"row": None, "seat": None}
    return item


def _ticket(kind: TicketKind, item: Mapping[str, Any], url: str | None = None) -> Ticket:
    return Ticket(kind, url=url, row=text(item.get("row")), seat=text(item.get("seat")), extra=_extra(item))


def _extended(link: Ticket, item: Mapping[str, Any]) -> Ticket:
    return Ticket(link.kind, url=link.url, section=link.section, row=link.row, seat=link.seat, extra=_extra(item))


def _extra(item: Mapping[str, Any]) -> dict[str, Any]:
    return kept(
        {
            "listing_id": text(item.get("listing_id")),
            "general_admission": truth(item.get("general_admission")),
            "additional_file": web_link(item.get("additional_file")),
            "proof_file_url": [link for link in map(web_link, listed(item.get("proof_file_url"))) if link] or None,
        }
    )
