"""Orders, their tickets, attempts and events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from willcall.schemas.base import OPTIONAL, OneOf, Schema
from willcall.schemas.problems import Problem

Status = Annotated[str, OneOf("pending", "partial", "fulfilled", "failed", "cancelled", "expired")]
Attention = Annotated[
    str, OneOf("unauthorized", "not_found", "malformed", "personalization", "approval", "undeliverable")
]
EndedBy = Annotated[str, OneOf("provider", "caller", "operator", "deadline")]
TicketKind = Annotated[str, OneOf("pdf", "barcode", "link", "wallet", "page", "shipment", "image", "archive")]
TicketStatus = Annotated[str, OneOf("valid", "used", "void")]
EventType = Annotated[
    str,
    OneOf(
        *("order.pending", "order.partial", "order.fulfilled", "order.failed", "order.cancelled", "order.expired"),
        *("order.updated", "order.attention", "order.at_risk"),
    ),
]

#: Statuses that end an order. Two changes may still follow: `fulfilled` to `cancelled`, and `expired` to another end.
FINAL_STATUSES = frozenset({"fulfilled", "failed", "cancelled", "expired"})

_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/vnd.apple.pkpass": ".pkpass",
    "application/vnd.apple.pkpasses": ".pkpasses",
    "application/zip": ".zip",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
}


@dataclass(frozen=True, kw_only=True)
class TicketEvent(Schema):
    """What a ticket is for."""

    id: str | None
    title: str | None
    starts_at: str | None
    ends_at: str | None
    venue: str | None
    city: str | None
    country: str | None


@dataclass(frozen=True, kw_only=True)
class Money(Schema):
    """An amount as a decimal number, and its currency."""

    amount: str
    currency: str


@dataclass(frozen=True, kw_only=True)
class Ticket(Schema):
    """What the customer needs to get in."""

    kind: TicketKind
    document: str | None
    """The id of the stored file; null until the file is stored."""
    url: str | None = field(repr=False)
    code: str | None = field(repr=False)
    code_format: str | None
    section: str | None
    row: str | None
    seat: str | None
    valid_from: str | None
    valid_until: str | None
    status: TicketStatus = "valid"
    """`void`: cancelled, or replaced by another ticket. It does not grant entry."""
    extra: Mapping[str, Any] = field(repr=False)
    """
    What the provider sends beyond these fields. `document_warning` names what is damaged about the file,
    `document_error` why Willcall stopped fetching it.
    """
    content_type: str | None = None
    """The media type of `document`, detected from its content; null without a document."""
    id: str | None = None
    """Stays the same for as long as the order has the ticket."""
    entrance_id: str | None = None
    """The same for all parts of one entrance, such as a PDF and its wallet passes."""
    covers: int | None = 1
    """How many people the entrance lets in; null if that is unknown."""
    wallet: Annotated[str, OneOf("apple", "google")] | None = None
    """Whose wallet the pass is for."""
    title: str | None = None
    """What was bought, in the order's language if the provider has it."""
    entrance: str | None = None
    """Which entrance to use."""
    seat_label: str | None = None
    """The seat as people read it."""
    event: TicketEvent | None = None
    price: Money | None = None
    fee: Money | None = None
    holder: Mapping[str, Any] | None = field(default=None, repr=False)
    """The personal data on the ticket; null unless the account has `keep_holder = true`."""

    @property
    def file_name(self) -> str | None:
        """A file name for the document, or `None` without one."""
        return self.document and self.document + _EXTENSIONS.get(self.content_type or "application/pdf", "")


@dataclass(frozen=True, kw_only=True)
class Needs(Schema):
    """What somebody has to do before the tickets are issued."""

    what: Annotated[str, OneOf("personalization", "approval", "payment")]
    until: datetime | None
    """When it must be done; null if that is unknown."""
    url: str | None
    """Where it can be done; null if that is unknown."""
    detail: str | None
    """What to do, for people."""
    form: Mapping[str, Any] | None = None
    """The fields to fill in, by name, as the provider describes them; null if that is unknown."""


@dataclass(frozen=True, kw_only=True)
class OrderDocument(Schema):
    """A file of the order rather than of one ticket."""

    kind: Annotated[str, OneOf("receipt", "instructions", "proof", "tickets")]
    document: str | None
    """The id of the stored file; null until the file is stored, and for good if the address leads to a page."""
    url: str | None = field(repr=False)
    content_type: str | None


@dataclass(frozen=True, kw_only=True)
class Order(Schema):
    """One purchase whose tickets are awaited."""

    id: str
    provider: str
    account: str
    reference: str = field(repr=False)
    status: Status
    attention: Attention | None
    """Why an operator should look at the order."""
    reason: str | None
    provider_status: str | None
    """The status in the provider's own words."""
    quantity: int | None
    attempts: int
    submitted_at: datetime
    not_before: datetime | None
    next_poll_at: datetime | None
    deadline_at: datetime
    finished_at: datetime | None
    tickets: tuple[Ticket, ...]
    callback_url: str | None = field(repr=False)
    metadata: Mapping[str, str]
    client: str | None = None
    """The client of `api.clients` that the order belongs to; null if it belongs to none."""
    event_at: datetime | None = None
    """When the customer goes in."""
    group: str | None = None
    """Your own name for orders that are usually issued together, such as those of one performance."""
    ended_by: EndedBy | None = None
    """
    Who gave the order its final status; null while it is open. After `caller` and `operator`, the order may be valid
    at the provider.
    """
    updated_at: datetime
    """The last change of anything but the attempts and the next poll."""
    at_risk: bool = False
    """Whether the event is near and tickets are missing."""
    needs: Needs | None = None
    """What somebody has to do before the tickets are issued; null if nothing is known."""
    expected_at: datetime | None = None
    """When the provider says that it will issue the tickets."""
    documents: tuple[OrderDocument, ...] = ()
    """Files of the order rather than of one ticket."""
    erased_at: datetime | None = field(default=None, metadata=OPTIONAL)
    """When the order was erased. Only its id, times and outcomes are left then; the reference is empty."""

    @property
    def final(self) -> bool:
        """Whether the order has ended and is no longer polled."""
        return self.status in FINAL_STATUSES


@dataclass(frozen=True, kw_only=True)
class Checkout(Schema):
    """An order that was created at its provider, and where the customer pays."""

    order: Order
    payment_url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OrderPage(Schema):
    """Orders, newest first."""

    items: tuple[Order, ...]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


@dataclass(frozen=True, kw_only=True)
class Attempt(Schema):
    """One status request for an order."""

    at: datetime
    outcome: str
    http_status: int | None
    countdown: float | None
    """Seconds until the next attempt; null if there is none."""
    why: str
    """Why the countdown is as long as it is."""
    late: float
    """Seconds between the time the attempt was due and the time it began."""


@dataclass(frozen=True, kw_only=True)
class AttemptPage(Schema):
    """The latest 100 attempts, oldest first."""

    items: tuple[Attempt, ...]
    next_cursor: None = None


@dataclass(frozen=True, kw_only=True)
class EventHeader(Schema):
    """What identifies an event."""

    id: str
    type: EventType
    """`order.<status>`, or another change of which a backend is notified."""
    order_id: str
    occurred_at: datetime
    sample: bool | None = field(default=None, metadata=OPTIONAL)
    """True if it is only a sample, about an order that does not exist; otherwise left out."""


@dataclass(frozen=True, kw_only=True)
class Event(EventHeader):
    """One change of an order."""

    data: Order
    """The order as it was after the change."""


@dataclass(frozen=True, kw_only=True)
class EventPage(Schema):
    """Events in the order in which they happened."""

    items: tuple[Event, ...]
    next_cursor: str
    """Pass it as `after` in the next call. It is set even if there are no further events yet."""


@dataclass(frozen=True, kw_only=True)
class BatchResult(Schema):
    """The result of submitting one order: `order` if it was accepted, otherwise `error`."""

    id: str | None
    status_code: Annotated[int, OneOf(200, 201, 409, 422)]
    """201: new; 200: submitted before with the same content; 409 or 422: rejected, see `error`."""
    order: Order | None = field(default=None, metadata=OPTIONAL)
    error: Problem | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class BatchResults(Schema):
    """One result for each order, in the order in which they were sent."""

    results: tuple[BatchResult, ...]


@dataclass(frozen=True, kw_only=True)
class BulkResult(Schema):
    """What was done with one order of an action on many: `error` says why nothing was."""

    id: str
    status_code: Annotated[int, OneOf(200, 404, 409, 422, 503)]
    """200: done, also when repeated; otherwise the status of the call for one order, see `error`."""
    order: Order | None = field(default=None, metadata=OPTIONAL)
    error: Problem | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class BulkResults(Schema):
    """One result for each order: in the order of `ids`, or of the list that the filter finds."""

    results: tuple[BulkResult, ...]
    next_cursor: str | None
    """With a filter: call again with it as `cursor` to continue; null if all were found."""
