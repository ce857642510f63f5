"""The payloads and signatures of Tixstock's webhooks.

https://pf-api-documentation.tixstock.com/v1/webhooks/overview
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from willcall.simulator.documents import make_file
from willcall.simulator.providers.base import OrderSnapshot
from willcall.simulator.script import Encoding, PushScript

TYPES = {
    "eticket": "order.eticket_fulfilment",
    "mobile": "order.mobile_ticket_fulfilment",
    "mobile_link": "order.mobile_link_ticket_fulfilment",
    "paper": "order.paper_ticket_fulfilment",
    "update": "order.update",
}


def signature(body: bytes, key: str) -> str:
    """Return the HMAC-SHA256 with the bearer token, in hex."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def payload(snapshot: OrderSnapshot, script: PushScript) -> bytes:
    return json.dumps({"data": _data(snapshot, script), "meta": {"type": TYPES[script.kind]}}, indent=4).encode()


def _data(snapshot: OrderSnapshot, script: PushScript) -> dict[str, Any]:
    reference = snapshot.order.reference
    if script.kind == "update":
        return {"id": reference, "status": script.status, "quantity": snapshot.order.quantity, "items": []}
    if script.kind == "paper":
        details = {"shipping_tracking_id": snapshot.barcode(script.ticket), "delivery_partner_name": "DHL"}
        return {"order_id": reference, "id": "9211231", "paper_ticket_details": details}
    seat = str(100 + script.ticket) if script.seat == "auto" else script.seat
    links = [{"seat": seat, "link": snapshot.document(script.ticket, "html")}] if script.kind == "mobile_link" else []
    return {
        "order_id": reference,
        "id": script.listing,
        "general_admission": int(script.general_admission),
        "row": None if script.general_admission else script.row,
        "seat": None if script.general_admission else seat,
        "file": "" if links or script.proofs else _file(snapshot, script),
        "proof_file_url": [f"{snapshot.document(script.ticket, 'html')}?proof={n}" for n in range(script.proofs)],
        "additional_file": snapshot.document(script.ticket) if script.additional_file else None,
        "mobile_links": links,
    }


def _file(snapshot: OrderSnapshot, script: PushScript) -> str:
    if script.spoil == "base64":
        return "base64 PDF file..."
    content = make_file(script.form, snapshot.secrets[script.ticket], script.size)
    return encode(content[5:] if script.spoil == "pdf" else content, script.encoding)


def encode(content: bytes, encoding: Encoding) -> str:
    """Return base64 in the form of an encoder."""
    written = base64.b64encode(content).decode()
    match encoding:
        case "url":
            return base64.urlsafe_b64encode(content).decode()
        case "unpadded":
            return written.rstrip("=")
        case "lines":
            return base64.encodebytes(content).decode().replace("\n", "\r\n")
        case "data":
            return f"data:application/pdf;base64,{written}"
    return written
