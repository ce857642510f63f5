"""Tixstock's webhooks: one per ticket that a broker uploads, and one per change of an order.

The answer keeps the order's status in step on both sides, so its words are chosen with care.

https://pf-api-documentation.tixstock.com/v1/webhooks/overview
"""

import json
import math

from willcall.http.messages import Response
from willcall.orders.outcomes import Cancelled, Declined, Malformed
from willcall.orders.pushes import ChangePush, OrderProgress, OutcomePush, TicketsPush
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.pushes import ParsedPush, PushReading, PushRequest, PushResponse, UnreadablePush, UnverifiedPush
from willcall.providers.reading import as_object, as_text
from willcall.providers.safe import status_word
from willcall.providers.tixstock.arrivals import read_parcel, read_upload
from willcall.providers.tixstock.credentials import INVOICING, TixstockCredentials
from willcall.providers.tixstock.order import final_word, known_word
from willcall.providers.tixstock.signature import signed
from willcall.providers.tixstock.tickets import shipment_of

_UPLOADS = {"order.eticket_fulfilment", "order.mobile_ticket_fulfilment", "order.mobile_link_ticket_fulfilment"}
_PAPER = "order.paper_ticket_fulfilment"
#: https://sandbox-pf-api-documentation.tixstock.com/v1/webhooks/order-update
_UPDATE = "order.update"

#: Where an order names our own id of it; a whole order calls it just `id`.
_REFERENCES = ("order_id", "external_order_id", "external_id")

#: Objects, lists and entries of them in a webhook at most: its bytes are one file, and the rest is small. More would
#: take seconds to read, in which nobody else is answered.
_MOST_PARTS = 200_000

# The sentences of Tixstock's own samples.
_COMPLETE = "Listing has been fulfilled for the order."
_PARCEL = "Order has been fulfilled."
_FAILED = "Listing failed to be fulfilled for the order"


class TixstockPushes:
    """Reads four kinds of fulfilment and `order.update`."""

    largest: int | None = None

    def read_push(self, call: PushRequest, credentials: TixstockCredentials) -> PushReading:
        """The signature over the raw bytes first; only then is anything read."""
        if not signed(call, credentials):
            return UnverifiedPush()
        if sum(map(call.body.count, (b"[", b"{", b","))) > _MOST_PARTS:
            return UnreadablePush("more than the tickets of an order")
        return _read(call)

    def answer_push(
        self, reading: PushReading, progress: OrderProgress, credentials: TixstockCredentials
    ) -> PushResponse:
        """`external_id`, `order_status`, `message`, `success`; 401 where the signature is wrong."""
        words = credentials.answers
        if isinstance(reading, UnverifiedPush):
            return _answer(None, words.failed, "The signature does not match the body.", success=False, status=401)
        if isinstance(reading, UnreadablePush):
            return _answer(None, words.failed, f"{_FAILED}: {reading.detail}.", success=False)
        if not progress.stored:
            return _answer(reading.reference, words.failed, f"{_FAILED}: {progress.why}.", success=False)
        return _answer(reading.reference, *_success(reading, progress, credentials), success=True)


def _read(call: PushRequest) -> PushReading:
    body = read_lenient_object(Response(200, {}, call.body, received_at=math.nan))
    if isinstance(body, Malformed):
        return UnreadablePush(body.detail or "body is not JSON")
    # Some of its webhooks are spelled with a double l.
    kind = (as_text(as_object(body.get("meta")).get("type")) or "").lower().replace("fulfillment", "fulfilment")
    data = as_object(body.get("data"))
    if kind in _UPLOADS or kind == _PAPER:
        reference = as_text(data.get("order_id"))
        if reference is None:
            return UnreadablePush("no order_id in the webhook")
        return read_parcel(reference, kind, data) if kind == _PAPER else read_upload(reference, kind, data)
    if kind == _UPDATE:
        return _read_update(data)
    return UnreadablePush("unknown type of webhook")


def _read_update(order: dict[str, object] | object) -> PushReading:
    """A final word, a tracking id, or else that something changed and is worth asking about."""
    data = as_object(order)
    reference = next(filter(None, (as_text(data.get(name)) for name in (*_REFERENCES, "id"))), None)
    if reference is None:
        return UnreadablePush("no order in the webhook")
    word = status_word(data.get("status"))
    outcome = final_word(word)
    if isinstance(outcome, Declined | Cancelled):
        return ParsedPush(reference, _UPDATE, OutcomePush(outcome), word)
    shipment = shipment_of(data)
    if shipment:
        return ParsedPush(reference, _UPDATE, TicketsPush((shipment,), complete=True), word, (None,))
    return ParsedPush(reference, _UPDATE, ChangePush(), word)


def _success(reading: ParsedPush, progress: OrderProgress, credentials: TixstockCredentials) -> tuple[str, str]:
    """Our word and a sentence for what we have."""
    words = credentials.answers
    if progress.final_status and not isinstance(reading.push, OutcomePush):
        word = progress.provider_status if final_word(progress.provider_status) else None
        return word or words.failed, f"The order is {progress.final_status}."
    if isinstance(reading.push, TicketsPush) and reading.push.complete:
        return words.paper, _PARCEL
    if reading.kind == _UPDATE and known_word(reading.word) and (reading.word or "").lower() != INVOICING:
        return reading.word or words.partial, "The update was taken."
    if progress.complete:
        return words.complete, _COMPLETE
    if reading.kind == _UPDATE:
        return words.partial, "The update was taken."
    of = f" of {progress.expected}" if progress.expected else ""
    return words.partial, f"The ticket was taken; the order has {progress.ticket_count}{of}."


def _answer(reference: str | None, word: str, message: str, *, success: bool, status: int = 200) -> PushResponse:
    document = {"external_id": reference, "order_status": word, "message": message, "success": success}
    return PushResponse(status, json.dumps(document), "application/json")
