"""The JSON shapes of Willcall's API and webhooks.

Words such as an order's `status` are plain strings, for a newer server may know more of them. Times are aware
datetimes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from willcall_client.decoding import Model

if TYPE_CHECKING:
    from typing_extensions import Self

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
class FieldProblem(Model):
    """What is wrong with one field."""

    field: str
    """The dotted path of the field."""
    message: str


@dataclass(frozen=True, kw_only=True)
class Problem(Model):
    """An error, after RFC 9457."""

    type: str
    """`urn:willcall:problem:<type>`"""
    title: str
    status: int
    detail: str
    request_id: str | None = None
    """The id of the request in Willcall's logs."""
    errors: tuple[FieldProblem, ...] | None = None
    """All fields that are wrong."""

    @classmethod
    def from_response(cls, document: Any, status: int) -> "Self":
        """Read any error response; one of a proxy may be no problem document at all."""
        found = document if isinstance(document, dict) else {}
        listed = found.get("errors")
        request_id = found.get("request_id")
        return cls(
            type=str(found.get("type", "about:blank")),
            title=str(found.get("title", "")),
            status=status,
            detail=str(found.get("detail") or found.get("title") or f"HTTP {status}"),
            request_id=request_id if isinstance(request_id, str) else None,
            errors=tuple(
                FieldProblem(field=str(each.get("field", "")), message=str(each.get("message", "")), raw=each)
                for each in (listed if isinstance(listed, list) else [])
                if isinstance(each, dict)
            ),
            raw=found,
        )


@dataclass(frozen=True, kw_only=True)
class TicketEvent(Model):
    """What a ticket is for. The times are RFC 3339."""

    id: str | None = None
    title: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    venue: str | None = None
    city: str | None = None
    country: str | None = None


@dataclass(frozen=True, kw_only=True)
class Money(Model):
    """An amount as a decimal number, and its currency."""

    amount: str
    currency: str


@dataclass(frozen=True, kw_only=True)
class Ticket(Model):
    """What the customer needs to get in."""

    kind: str
    """`pdf`, `barcode`, `link`, `wallet`, `page`, `shipment`, `image`, `archive`"""
    document: str | None
    """The id of the stored file; None until the file is stored."""
    url: str | None = field(repr=False)
    code: str | None = field(repr=False)
    code_format: str | None
    section: str | None
    row: str | None
    seat: str | None
    valid_from: str | None
    valid_until: str | None
    status: str = "valid"
    """`valid`, `used`, or `void`: cancelled, or replaced by another ticket. It does not grant entry."""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """
    What the provider sends beyond these fields. `document_warning` names what is damaged about the file,
    `document_error` why Willcall stopped fetching it.
    """
    content_type: str | None = None
    """The media type of `document`, detected from its content; None without a document."""
    id: str | None = None
    """Stays the same for as long as the order has the ticket; None from a server of release 0.2.0."""
    entrance_id: str | None = None
    """The same for all parts of one entrance, such as a PDF and its wallet passes."""
    covers: int | None = 1
    """How many people the entrance lets in; None if that is unknown."""
    wallet: str | None = None
    """Whose wallet the pass is for: `apple`, `google`"""
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
    """The personal data on the ticket; None unless the account has `keep_holder = true`."""

    @property
    def file_name(self) -> str | None:
        """A file name for the document, or `None` without one."""
        return self.document and self.document + _EXTENSIONS.get(self.content_type or "application/pdf", "")


@dataclass(frozen=True, kw_only=True)
class Needs(Model):
    """What somebody has to do before the tickets are issued."""

    what: str
    """`personalization`, `approval`, `payment`"""
    until: datetime | None = None
    """When it must be done; None if that is unknown."""
    url: str | None = None
    """Where it can be done; None if that is unknown."""
    detail: str | None = None
    """What to do, for people."""
    form: Mapping[str, Any] | None = None
    """The fields to fill in, by name, as the provider describes them; None if that is unknown."""


@dataclass(frozen=True, kw_only=True)
class OrderDocument(Model):
    """A file of the order rather than of one ticket."""

    kind: str
    """`receipt`, `instructions`, `proof`, `tickets`"""
    document: str | None
    """The id of the stored file; None until it is stored, and for good if the address leads to a page."""
    url: str | None = field(repr=False)
    content_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class Order(Model):
    """One purchase whose tickets are awaited."""

    id: str
    provider: str
    account: str
    reference: str = field(repr=False)
    status: str
    """`pending`, `partial`, or one of `FINAL_STATUSES`"""
    attention: str | None
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
    """The backend that the order belongs to, one of the server's `api.clients`; None if it belongs to none."""
    event_at: datetime | None = None
    """When the customer goes in."""
    group: str | None = None
    """Your own name for orders that are usually issued together, such as those of one performance."""
    ended_by: str | None = None
    """
    `provider`, `caller`, `operator` or `deadline`; None while the order is open. After `caller` and `operator`, the
    order may be valid at the provider.
    """
    updated_at: datetime | None = None
    """The last change of anything but the attempts and the next poll; None from a server of release 0.2.0."""
    at_risk: bool = False
    """Whether the event is near and tickets are missing."""
    needs: Needs | None = None
    """What somebody has to do before the tickets are issued; None if nothing is known."""
    expected_at: datetime | None = None
    """When the provider says that it will issue the tickets."""
    documents: tuple[OrderDocument, ...] = ()
    """Files of the order rather than of one ticket."""
    erased_at: datetime | None = None
    """When the order was erased: only its id, times and outcomes are left then. None otherwise."""

    @property
    def final(self) -> bool:
        """Whether the order has ended and is no longer polled."""
        return self.status in FINAL_STATUSES


@dataclass(frozen=True, kw_only=True)
class Checkout(Model):
    """An order that was created at its provider, and where the customer pays."""

    order: Order
    payment_url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OrderPage(Model):
    """Orders, newest first."""

    items: tuple[Order, ...]
    next_cursor: str | None
    """The cursor of the next page; None on the last page."""


@dataclass(frozen=True, kw_only=True)
class Attempt(Model):
    """One status request for an order."""

    at: datetime
    outcome: str
    http_status: int | None
    countdown: float | None
    """Seconds until the next attempt; None if there is none."""
    why: str
    """Why the countdown is as long as it is."""
    late: float = 0.0
    """Seconds between the time the attempt was due and the time it began."""


@dataclass(frozen=True, kw_only=True)
class AttemptPage(Model):
    """The latest 100 attempts, oldest first."""

    items: tuple[Attempt, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event(Model):
    """One change of an order that a backend is notified of."""

    id: str
    """The same in every delivery of the event."""
    type: str
    """`order.<status>`, `order.updated`, `order.attention` or `order.at_risk`"""
    order_id: str
    occurred_at: datetime
    data: Order
    """The order as it was after the change."""
    sample: bool = False
    """Whether it is only a sample, about an order that does not exist."""


@dataclass(frozen=True, kw_only=True)
class EventPage(Model):
    """Events in the order in which they happened."""

    items: tuple[Event, ...]
    next_cursor: str
    """Where the next page begins. It is set even if there are no further events yet."""


@dataclass(frozen=True, kw_only=True)
class BatchResult(Model):
    """The result of submitting one order: `order` if it was accepted, otherwise `error`."""

    id: str | None
    status_code: int
    """201: new; 200: submitted before with the same content; 409 or 422: rejected, see `error`."""
    order: Order | None = None
    error: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class BatchResults(Model):
    """One result for each order, in the order in which they were sent."""

    results: tuple[BatchResult, ...]


@dataclass(frozen=True, kw_only=True)
class BulkResult(Model):
    """What was done with one order of an action on many: `error` says why nothing was."""

    id: str
    status_code: int
    """200: done, also when repeated; otherwise the status of the call for one order, see `error`."""
    order: Order | None = None
    error: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class BulkResults(Model):
    """One result for each order: in the order of `ids`, or of the list that the filters find."""

    results: tuple[BulkResult, ...]
    next_cursor: str | None
    """With filters: pass it as `cursor` to continue; `None` if all were found."""


@dataclass(frozen=True, kw_only=True)
class LookResult(Model):
    """What a provider says about a reference now."""

    provider: str
    account: str
    outcome: str
    """What the answer means, in the words of an order's attempts."""
    http_status: int | None
    provider_status: str | None
    """The provider's own word."""
    attention: str | None
    """Why an order would need attention."""
    detail: str | None
    expected: int | None
    """How many tickets there are to be; None if the provider does not say."""
    tickets: tuple[Ticket, ...]
    """The tickets that the provider lists. Their files are not fetched."""
    retry_at: datetime | None
    """No other request about this reference may be sent before."""
    issuing_at: datetime | None
    """When the provider says that it will issue the tickets."""


@dataclass(frozen=True, kw_only=True)
class RedeliveryResult(Model):
    """How far redeliveries have come."""

    redelivered: int
    """How many orders' latest events are sent again."""
    skipped: int
    """How many orders have no event to send, or no address to send it to."""
    next_cursor: str | None
    """Where to continue; None if all are done."""

    def continued_by(self, other: "RedeliveryResult") -> "RedeliveryResult":
        """Return both results as one."""
        redelivered, skipped = self.redelivered + other.redelivered, self.skipped + other.skipped
        return RedeliveryResult(redelivered=redelivered, skipped=skipped, next_cursor=other.next_cursor)


@dataclass(frozen=True, kw_only=True)
class TriggerResult(Model):
    """What the backend answered to a sample event."""

    accepted: bool
    """Whether it answered 2xx."""
    event_id: str
    """The `webhook-id` of the sample."""
    type: str
    host: str
    """Where the sample was sent."""
    http_status: int | None
    """None if there was no response; `why` says what happened."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Rate(Model):
    """`limit` requests per `period` seconds, up to `burst` at once."""

    limit: float
    period: float
    burst: int
    shared: str | None = None


@dataclass(frozen=True, kw_only=True)
class Backlog(Model):
    """Open orders: scheduled for later, due now, or held until the account continues."""

    waiting: int
    due: int
    held: int


@dataclass(frozen=True, kw_only=True)
class UnderlyingHealth(Model):
    """The health that an account has underneath a pause."""

    health: str
    why: str | None
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Account(Model):
    """One set of credentials at a provider."""

    account: str
    """`<provider>/<account>`"""
    health: str
    """`ok`, `throttled`, `paused`, `unauthorized`, `down`"""
    why: str | None
    """The provider's HTTP status, or why there was no response."""
    since: datetime | None
    until: datetime | None
    """When a pause or throttle ends; None if it does not end by itself."""
    underlying: UnderlyingHealth | None
    """What else is wrong with a paused account; None if nothing is."""
    probe_at: datetime | None
    tokens: int | None
    """Requests that could be sent right now; None for clients, which share them."""
    rate: Rate
    throttles: int
    """429 responses in a row."""
    backlog: Backlog | None
    """Open orders; None for clients."""
    orders: Mapping[str, int]
    """Number of orders by status; for clients, of their own."""


@dataclass(frozen=True, kw_only=True)
class AccountPage(Model):
    """All configured accounts."""

    items: tuple[Account, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResumeResult(Model):
    """Whether requests to the account continue."""

    resumed: bool
    """False while the provider's `Retry-After` lasts."""
    until: datetime | None
    """When the provider's `Retry-After` ends; None without one."""


@dataclass(frozen=True, kw_only=True)
class ServiceStatus(Model):
    """Whether a service that Willcall requires responds."""

    ok: bool
    detail: str | None = None
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Readiness(Model):
    """Whether the API can accept orders."""

    ready: bool = False
    parts: Mapping[str, ServiceStatus]
