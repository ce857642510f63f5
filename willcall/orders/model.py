"""Orders, their statuses, tickets and attempts.

All times are seconds since the epoch (floats, UTC); JSON has RFC 3339 strings (see `serialization.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    PENDING = "pending"
    PARTIAL = "partial"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_REFUND = {Status.FAILED, Status.CANCELLED}

#: From each status, the statuses that an order may move to. Two final statuses may still change, if the provider
#: cancels or issues late.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.PARTIAL, Status.FULFILLED, Status.EXPIRED} | _REFUND),
    Status.PARTIAL: frozenset({Status.FULFILLED, Status.EXPIRED} | _REFUND),
    Status.FULFILLED: frozenset({Status.CANCELLED}),
    Status.EXPIRED: frozenset({Status.FULFILLED} | _REFUND),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

#: Statuses in which an order is polled.
OPEN = frozenset({Status.PENDING, Status.PARTIAL})
#: Statuses that end an order.
FINAL = frozenset(Status) - OPEN
#: Statuses that no answer of a provider changes, except that a customer may revive a cancelled checkout.
CLOSED = frozenset(status for status in Status if not TRANSITIONS[status])


def can_become(old: Status, new: Status) -> bool:
    """Return whether `old -> new` is a transition. Keeping a status is not one."""
    return new in TRANSITIONS[old]


def count_open(counts: Mapping[Status, int]) -> int:
    """Return how many orders are open, of numbers of orders by status."""
    return sum(counts[status] for status in OPEN)


class Attention(StrEnum):
    """Why an order needs an operator's attention."""

    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    MALFORMED = "malformed"
    PERSONALIZATION = "personalization"
    APPROVAL = "approval"
    UNDELIVERABLE = "undeliverable"


class EndedBy(StrEnum):
    """Who or what gave a final order its status.

    `CALLER` is the backend that submitted the order, `DEADLINE` the ceiling of its polling.
    """

    PROVIDER = "provider"
    CALLER = "caller"
    OPERATOR = "operator"
    DEADLINE = "deadline"


#: The reason of an order whose polling was cancelled, whoever did it.
CANCELLED_REASON = "by the caller"


class TicketKind(StrEnum):
    PDF = "pdf"
    BARCODE = "barcode"
    LINK = "link"
    WALLET = "wallet"
    PAGE = "page"
    SHIPMENT = "shipment"
    IMAGE = "image"
    ARCHIVE = "archive"


class TicketStatus(StrEnum):
    """The status of a ticket. A `void` ticket was cancelled or replaced, and lets nobody in."""

    VALID = "valid"
    USED = "used"
    VOID = "void"


class Need(StrEnum):
    """What somebody has to do before tickets are issued."""

    PERSONALIZATION = "personalization"
    APPROVAL = "approval"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class Needs:
    """What an order needs from somebody: until when (epoch seconds), and where, if the provider says so.

    `detail` is a sentence for people. `form` has the fields to fill in, by name, as the provider describes them.
    """

    what: Need
    until: float | None = None
    url: str | None = field(default=None, repr=False)
    detail: str | None = None
    form: Mapping[str, Any] | None = None


class DeliverySpeed(StrEnum):
    """How fast the provider is known to issue. A `delayed` order is polled at the interval from the start."""

    INSTANT = "instant"
    DELAYED = "delayed"


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """What a ticket is for. The times are RFC 3339."""

    id: str | None = None
    title: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    venue: str | None = None
    city: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as a decimal number, such as `10.00`, and its currency (ISO 4217)."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the customer shows at the entrance.

    `id` stays the same as long as the order has the ticket; see `ticket_ids.py`. Parts of one entrance, such as a PDF
    and its wallet pass, share `entrance_id`. `covers` is how many people it lets in, `None` if that is unknown.
    `document` is the id of the stored file and `content_type` its media type, detected from its bytes. `title` is what
    was bought. `holder` has the personal data on it, which is stored only for accounts that ask for it. `extra` has
    what the provider sent beyond these fields.
    """

    kind: TicketKind
    document: str | None = None
    url: str | None = field(default=None, repr=False)
    code: str | None = field(default=None, repr=False)
    code_format: str | None = None
    section: str | None = None
    row: str | None = None
    seat: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    status: TicketStatus = TicketStatus.VALID
    title: str | None = None
    entrance: str | None = None
    seat_label: str | None = None
    event: TicketEvent | None = None
    price: Money | None = None
    fee: Money | None = None
    holder: Mapping[str, Any] | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    content_type: str | None = None
    id: str | None = None
    entrance_id: str | None = None
    covers: int | None = 1
    wallet: str | None = None

    @property
    def comparison_kind(self) -> TicketKind:
        """The kind by which tickets are compared and counted.

        All files are one kind, as providers announce a PDF whatever the file turns out to be.
        """
        is_file = self.kind in {TicketKind.IMAGE, TicketKind.ARCHIVE}
        is_stored_pass = self.kind is TicketKind.WALLET and self.document is not None
        return TicketKind.PDF if is_file or is_stored_pass else self.kind


class DocumentKind(StrEnum):
    """What a file of an order is."""

    RECEIPT = "receipt"
    INSTRUCTIONS = "instructions"
    PROOF = "proof"
    TICKETS = "tickets"


@dataclass(frozen=True, slots=True)
class OrderDocument:
    """A file of an order rather than of one ticket; `document` and `content_type` as in `Ticket`.

    A `url` without a document is not stored yet, or no file at all but a page. `extra` has remarks about the file.
    """

    kind: DocumentKind
    url: str | None = field(default=None, repr=False)
    document: str | None = None
    content_type: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Order:
    """One purchase at a provider, whose tickets are awaited.

    `seq` is the fence: only the poll message with this number may act. `answered_polls` counts the polls that the
    provider answered (the exponent of the back-off), `unanswered_polls` those without an answer since the last one,
    `forbidden_polls` the 403s in a row. The provider must not be polled before `hint_until`. `attention_at` is when
    the order began to need `attention` for this reason; the stores set it. `expected` is how many tickets the order
    has according to the provider, `quantity` according to the caller. `client` is the backend that it belongs to.
    `event_at` is when the customer goes in, `group` the caller's name for orders that are usually issued together.
    `needs`: what somebody has to do before tickets come. `expected_at`: when the provider says that it will issue.
    `documents`: files of the order besides those of its tickets. `returned_at`: when its customer came back although
    the provider had cancelled the order; it is polled once more.
    `updated_at` is the last change that a backend would see, which an attempt alone is not; the stores set it.
    `at_risk`: the event is near and tickets are missing; final orders never are. `risk_notices`: how often the backend
    was notified of that, for this `event_at`. `notified`: what it was notified of last (see `orders.changes`).
    Orders of one reference that may not be polled at once have the same `sharing`. `user_bound`: the order has
    credentials of its own user, and is never polled with the account's.
    Of an order that was erased (`erased_at`), only its id, times and outcomes are known.
    """

    id: str
    provider: str
    account: str
    reference: str = field(repr=False)
    status: Status
    submitted_at: float
    deadline_at: float
    seq: int = 1
    attention: Attention | None = None
    attention_at: float | None = None
    reason: str | None = None
    provider_status: str | None = None
    quantity: int | None = None
    expected: int | None = None
    bought_at: float | None = None
    delivery: DeliverySpeed = DeliverySpeed.INSTANT
    language: str | None = None
    attempts: int = 0
    answered_polls: int = 0
    unanswered_polls: int = 0
    forbidden_polls: int = 0
    missing_since: float | None = None
    last_poll_at: float | None = None
    hint_until: float | None = None
    not_before: float | None = None
    next_poll_at: float | None = None
    finished_at: float | None = None
    tickets: tuple[Ticket, ...] = ()
    callback_url: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    client: str | None = None
    notified: str | None = None
    risk_notices: int = 0
    event_at: float | None = None
    group: str | None = None
    needs: Needs | None = None
    expected_at: float | None = None
    documents: tuple[OrderDocument, ...] = ()
    ended_by: EndedBy | None = None
    returned_at: float | None = None
    updated_at: float = 0.0
    at_risk: bool = False
    erased_at: float | None = None
    sharing: str | None = None
    user_bound: bool = False

    @property
    def account_key(self) -> str:
        """The account's name in configuration, commands and URLs: `<provider>/<account>`."""
        return f"{self.provider}/{self.account}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An entry of an order's timeline.

    `countdown` is the seconds to the next attempt, if there is one. `late` is how many seconds after its
    due time the attempt began.
    """

    at: float
    outcome: str
    http_status: int | None
    countdown: float | None
    why: str
    late: float = 0.0
