"""Tixstock's webhooks: one per ticket that a broker uploads, and one per change of an order.

The status word in our response sets the order's status at Tixstock.

https://pf-api-documentation.tixstock.com/v1/webhooks/overview
"""

import hmac
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from willcall.http.messages import Response
from willcall.orders.model import DocumentKind, OrderDocument, Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Declined, Malformed, Outcome
from willcall.orders.pushes import ChangePush, InvalidPush, OrderProgress, OutcomePush, TicketsPush
from willcall.providers.credentials import ProviderUrl, PushCredentials
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.pushes import (
    IgnoredPush,
    ParsedPush,
    PushReading,
    PushRequest,
    PushResponse,
    UnreadablePush,
    UnverifiedPush,
)
from willcall.providers.reading import as_list, as_object, as_text, as_web_url, extra_fields, status_word
from willcall.providers.tixstock.tickets import as_bool, decode_base64, file_value, link_tickets, read_shipment
from willcall.setting_types.secrets import HeaderSecret, OneOrMore

#: Files that a broker uploads to a listing before it is sold; those of an order come with the order.
#: https://api-documentation.tixstock.com/v1/endpoints/get-orders
_LISTING = frozenset({"ticket.fulfilment", "listing.fulfilment"})
_UPLOADS = {"order.eticket_fulfilment", "order.mobile_ticket_fulfilment", "order.mobile_link_ticket_fulfilment"}
_PAPER = "order.paper_ticket_fulfilment"
#: https://sandbox-pf-api-documentation.tixstock.com/v1/webhooks/order-update
_UPDATE = "order.update"
#: The word that raises an invoice; this cannot be undone.
_INVOICING = "commissionable"

#: Fields with our own id of an order; a whole order calls it just `id`.
_REFERENCES = ("order_id", "external_order_id", "external_id", "id")

#: Fields of an upload that are read.
_READ = {
    *("order_id", "id", "listing_id", "general_admission", "section", "row", "seat", "file", "mobile_links"),
    *("proof_file_url", "additional_file", "customer"),
}

#: Most objects, lists and entries in a webhook. One file is most of its bytes, the rest is small. More would take
#: seconds to parse, and block other calls.
_MOST_PARTS = 200_000

_NOT_BASE64 = "the file is not base64"
_NOTHING = "there is neither a file nor a link"
# The sentences of Tixstock's samples.
_COMPLETE = "Listing has been fulfilled for the order."
_PARCEL = "Order has been fulfilled."
_FAILED = "Listing failed to be fulfilled for the order"


#: What Update Order allows as `order_status`, in lower case.
#: https://pf-api-documentation.tixstock.com/v1/endpoints/order/update
REPORT_WORDS = frozenset(
    {"approved", "commissionable", "rejected", "cancelled", "refunded", "pending review", "sale on hold"}
)


def _invoices(word: str | None) -> bool:
    return (word or "").strip().lower() == _INVOICING


def _not_invoicing(word: str) -> str:
    if _invoices(word):
        raise ValueError("must not be the word that raises an invoice")
    return word


def _reportable(word: str) -> str:
    if word.strip().lower() not in REPORT_WORDS or _invoices(word):
        raise ValueError("must be a word that Update Order allows, other than the one that raises an invoice")
    return word


_Word = Annotated[str, Field(min_length=1, max_length=64)]
_NotInvoicingWord = Annotated[_Word, AfterValidator(_not_invoicing)]


class AnswerWords(BaseModel):
    """The `order_status` in our response to each kind of webhook.

    The defaults are the words of Tixstock's samples. An `order.update` is answered with `update`, otherwise with its
    own status word, which changes nothing at Tixstock. `Commissionable` raises an invoice and cannot be undone, so it
    is rejected for webhooks that may leave tickets missing. `expired` is only reported (see `reports.py`).

    https://pf-api-documentation.tixstock.com/v1/webhooks/overview
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    partial: _NotInvoicingWord = "Approved"
    update: _NotInvoicingWord | None = None
    complete: _Word = "Delivered"
    paper: _Word = "Shipped"
    failed: _NotInvoicingWord = "Accepted"
    expired: Annotated[_Word, AfterValidator(_reportable)] = "Pending Review"


class TixstockCredentials(PushCredentials):
    """Credentials at Tixstock. The first bearer token is sent; each may be the key that signs webhooks.

    `tell`: report completed and expired orders to Tixstock (see `reports.py`).
    """

    base_url: ProviderUrl = "https://pf.tixstock.com/v1"
    bearer_token: OneOrMore[HeaderSecret]
    tell: bool = False
    answers: AnswerWords = AnswerWords()


class TixstockPushes:
    """Reads four kinds of fulfilment and `order.update`."""

    max_bytes: int | None = None

    def __init__(self, meaning: Callable[[str | None], Outcome | None]) -> None:
        """`meaning` returns what a status word means, or `None` if it is unknown."""
        self._meaning = meaning

    def read_push(self, request: PushRequest, credentials: TixstockCredentials, /) -> PushReading:
        """Check the signature of the raw bytes before anything is read."""
        if not _is_signed(request, credentials):
            return UnverifiedPush()
        if sum(map(request.body.count, (b"[", b"{", b","))) > _MOST_PARTS:
            return UnreadablePush("more than the tickets of an order")
        body = read_lenient_object(Response(200, {}, request.body, received_at=math.nan))
        if isinstance(body, Malformed):
            return UnreadablePush(body.detail or "body is not JSON")
        # Some webhook types are spelled with a double l.
        kind = (as_text(as_object(body.get("meta")).get("type")) or "").lower().replace("fulfillment", "fulfilment")
        data = as_object(body.get("data"))
        return self._read_update(data) if kind == _UPDATE else _read_fulfilment(kind, data)

    def answer_push(
        self, reading: PushReading, progress: OrderProgress, credentials: TixstockCredentials, /
    ) -> PushResponse:
        """Return `external_id`, `order_status`, `message` and `success`, or 401 for a wrong signature."""
        words = credentials.answers
        if isinstance(reading, UnverifiedPush):
            return _answer(None, words.failed, "The signature does not match the body.", success=False, status=401)
        if isinstance(reading, IgnoredPush):
            return _answer(None, words.partial, f"Accepted: {reading.detail}.", success=True)
        if isinstance(reading, UnreadablePush):
            return _answer(None, words.failed, f"{_FAILED}: {reading.detail}.", success=False)
        if reading.kind == _UPDATE:
            return self._answer_update(reading, progress, words)
        if not progress.stored:
            return _answer(reading.reference, words.failed, f"{_FAILED}: {progress.why}.", success=False)
        return _answer(reading.reference, *self._success(reading, progress, words), success=True)

    def _read_update(self, order: Mapping[str, Any]) -> PushReading:
        """Return a final status, a parcel by its tracking id, or a hint that the order should be polled."""
        reference = next(filter(None, (as_text(order.get(name)) for name in _REFERENCES)), None)
        if reference is None:
            return UnreadablePush("no order in the webhook")
        word = status_word(order.get("status"))
        outcome = self._meaning(word)
        if isinstance(outcome, Declined | Cancelled):
            return ParsedPush(reference, _UPDATE, OutcomePush(replace(outcome, provider_status=word)), word)
        shipment = read_shipment(order)
        if shipment:
            return ParsedPush(reference, _UPDATE, TicketsPush((shipment,), complete=True), word, (None,))
        return ParsedPush(reference, _UPDATE, ChangePush(), word)

    def _answer_update(self, reading: ParsedPush, progress: OrderProgress, words: AnswerWords) -> PushResponse:
        """Answer with the configured word, otherwise with the status that the order has at Tixstock already."""
        by_progress = words.complete if progress.complete else words.partial
        word = self._present_word(reading, progress) or by_progress
        if words.update and progress.stored and not progress.final_status:
            word = words.update
        if progress.final_status and not isinstance(reading.push, OutcomePush):
            message = f"The order is {progress.final_status}."
        else:
            message = "The update was accepted." if progress.stored else f"The update was not applied: {progress.why}."
        return _answer(reading.reference, word, message, success=progress.stored)

    def _present_word(self, reading: ParsedPush, progress: OrderProgress) -> str | None:
        """Return the order's status at Tixstock: that of the webhook, unless an old one is repeated after the end."""
        ended = progress.final_status and isinstance(self._meaning(progress.provider_status), Declined | Cancelled)
        if ended and not isinstance(reading.push, OutcomePush):
            return progress.provider_status
        word = reading.word or progress.provider_status
        return None if _invoices(word) else word

    def _success(self, reading: ParsedPush, progress: OrderProgress, words: AnswerWords) -> tuple[str, str]:
        """Return the status word and the sentence for the order's progress after a fulfilment."""
        if progress.final_status:
            final = isinstance(self._meaning(progress.provider_status), Declined | Cancelled)
            word = progress.provider_status if final else None
            return word or words.failed, f"The order is {progress.final_status}."
        if isinstance(reading.push, TicketsPush) and reading.push.complete:
            return words.paper, _PARCEL
        if progress.complete:
            return words.complete, _COMPLETE
        of = f" of {progress.expected}" if progress.expected else ""
        return words.partial, f"The ticket was accepted; the order has {progress.ticket_count}{of}."


def _is_signed(request: PushRequest, credentials: TixstockCredentials) -> bool:
    """Return whether the call is Tixstock's: HMAC-SHA-256 of the raw body with one of our bearer tokens, in hex."""
    given = request.headers.get("x-tixstock-signature", "").strip().lower().encode()
    keys = [token.get_secret_value().encode() for token in credentials.bearer_token]
    signatures = [hmac.digest(key, request.body, "sha256").hex().encode() for key in keys]
    matches = [hmac.compare_digest(signature, given) for signature in signatures]  # all of them, in any case
    return any(matches)


def _answer(reference: str | None, word: str, message: str, *, success: bool, status: int = 200) -> PushResponse:
    document = {"external_id": reference, "order_status": word, "message": message, "success": success}
    return PushResponse(status, json.dumps(document), "application/json")


def _read_fulfilment(kind: str, data: Mapping[str, Any]) -> PushReading:
    reference = as_text(data.get("order_id"))
    if kind in _LISTING and reference is None:
        return IgnoredPush("tickets of a listing, not of an order")
    if kind != _PAPER and kind not in _UPLOADS | _LISTING:
        return UnreadablePush("unknown type of webhook")
    if reference is None:
        return UnreadablePush("no order_id in the webhook")
    return _read_parcel(reference, kind, data) if kind == _PAPER else _read_upload(reference, kind, data)


def _read_parcel(reference: str, kind: str, data: Mapping[str, Any]) -> ParsedPush:
    """Return one parcel with all paper tickets of the order."""
    shipment = read_shipment(data)
    if shipment is None:
        return ParsedPush(reference, kind, InvalidPush("no tracking id"))
    push = TicketsPush((shipment,), complete=True, documents=_documents(data))
    return ParsedPush(reference, kind, push, files=(None,))


def _read_upload(reference: str, kind: str, data: Mapping[str, Any]) -> ParsedPush:
    """Return what was uploaded: a file in base64, mobile links, or (for transfers by app) only proofs.

    Everything in a webhook is stored. Each webhook is about one ticket, so its proofs, however many, are one ticket at
    most. Proofs and the letter for the customer are also documents of the order.
    """
    item = _as_item(data)
    links = [replace(link, extra=_extra(item)) for link in link_tickets(item)]
    given = len(as_list(data.get("mobile_links")))
    remarks = [f"{given - len(links)} of {given} links are no web addresses"] if len(links) < given else []
    files = _files(item)
    if None in files:
        remarks.append(_NOT_BASE64)
    usable = [file for file in files if file is not None]
    tickets = [*(ticket for ticket, _ in usable), *links]
    documents = _documents(item)
    proofs = [document.url for document in documents if document.kind is DocumentKind.PROOF]
    if not tickets and not remarks and proofs:
        # How many people the proofs of one upload are for is not documented, so they count as one.
        tickets = [replace(_ticket(TicketKind.PAGE, item, proofs[0]), covers=None)]
    if not tickets:
        return ParsedPush(reference, kind, InvalidPush(_NOT_BASE64 if _NOT_BASE64 in remarks else _NOTHING))
    contents = [content for _, content in usable]
    contents += [None] * (len(tickets) - len(contents))
    push = TicketsPush(tuple(tickets), detail="; ".join(remarks) or None, documents=documents)
    return ParsedPush(reference, kind, push, files=tuple(contents))


def _as_item(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the upload as an item of an order. General admission has no seats, whatever the fields say."""
    item = {**data, "listing_id": data.get("id")}
    if as_bool(data.get("general_admission")):
        item |= {"section": None, "row": None, "seat": None}
    return item


def _files(item: Mapping[str, Any]) -> list[tuple[Ticket, bytes | None] | None]:
    """Return a ticket for each file, with its content or its address; `None` for one that has neither.

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


def _ticket(kind: TicketKind, item: Mapping[str, Any], url: str | None = None) -> Ticket:
    section, row, seat = (as_text(item.get(name)) for name in ("section", "row", "seat"))
    return Ticket(kind, url=url, section=section, row=row, seat=seat, extra=_extra(item))


def _extra(item: Mapping[str, Any]) -> dict[str, Any]:
    return extra_fields(
        {
            "listing_id": as_text(item.get("listing_id")),
            "general_admission": as_bool(item.get("general_admission")),
            "additional_file": as_web_url(item.get("additional_file")),
            "proof_file_url": _addresses(item.get("proof_file_url")) or None,
            **{name: value for name, value in item.items() if name not in _READ},
        }
    )


def _documents(data: Mapping[str, Any]) -> tuple[OrderDocument, ...]:
    """Return the files of an upload that are for the order rather than one ticket, each once."""
    instructions = _addresses(data.get("additional_file"))
    proofs = _addresses(data.get("proof_file_url"))
    return (
        *(OrderDocument(DocumentKind.INSTRUCTIONS, url) for url in instructions),
        *(OrderDocument(DocumentKind.PROOF, url) for url in proofs),
    )


def _addresses(value: object) -> list[str]:
    return list(dict.fromkeys(link for link in map(as_web_url, as_list(value)) if link))
