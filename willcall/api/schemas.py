"""The shapes of bodies, for the OpenAPI document.

Answers are made by `willcall.orders.serialization` and not validated once more; the tests hold them to these shapes.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from willcall.orders.model import Attention, Status, TicketKind, TicketStatus
from willcall.stores.accounts import AccountHealth
from willcall.stores.dead_letters import DeadLetterReason


class _Response(BaseModel):
    """More fields may come; callers must take no notice of those they do not know."""


class Ticket(_Response):
    """What the customer needs to get in. `document` is there as soon as the file is kept here."""

    kind: TicketKind
    document: str | None
    url: str | None
    code: str | None
    code_format: str | None
    section: str | None
    row: str | None
    seat: str | None
    valid_from: str | None
    valid_until: str | None
    status: TicketStatus = Field(description="`void`: cancelled, or replaced by another one; it lets nobody in.")
    extra: dict[str, Any] = Field(
        description=(
            "What the provider says beyond our words. `document_warning` names what is damaged about the file, "
            "`document_error` why it was given up."
        )
    )
    content_type: str | None = Field(
        default=None, description="The media type of `document`, by its bytes; null without one."
    )


class Order(_Response):
    """One purchase whose tickets are awaited."""

    id: str
    provider: str
    account: str
    reference: str
    status: Status
    attention: Attention | None = Field(description="Why a person should look at it.")
    reason: str | None
    provider_status: str | None = Field(description="The provider's own word.")
    quantity: int | None
    attempts: int
    submitted_at: datetime
    not_before: datetime | None
    next_poll_at: datetime | None
    deadline_at: datetime
    finished_at: datetime | None
    tickets: list[Ticket]
    callback_url: str | None
    metadata: dict[str, str]


class OrderPage(_Response):
    """Orders, newest first."""

    items: list[Order]
    next_cursor: str | None = Field(description="Of the next page; null on the last.")


class Attempt(_Response):
    """One request about an order."""

    at: datetime
    outcome: str
    http_status: int | None
    countdown: float | None = Field(description="Seconds until the next attempt; null: there is none.")
    why: str
    late: float = Field(description="Seconds after its due time.")


class AttemptPage(_Response):
    """The timeline, oldest first: the latest 100 attempts."""

    items: list[Attempt]
    next_cursor: None


class Event(_Response):
    """One change of an order's status; `data` is the order as it was then."""

    id: str
    type: str = Field(description="`order.<status>`")
    order_id: str
    occurred_at: datetime
    data: Order


class EventPage(_Response):
    """Events in the order in which they happened."""

    items: list[Event]
    next_cursor: str = Field(description="To come back with as `after`, also where there are no more events yet.")


class Rate(_Response):
    """`limit` requests per `period` seconds, `burst` at once."""

    limit: float
    period: float
    burst: int


class Backlog(_Response):
    """Open orders: scheduled ahead, due by now, held because the account is paused or parked."""

    waiting: int
    due: int
    held: int


class Beneath(_Response):
    """What a pause covers: the account is refused or down."""

    health: AccountHealth
    why: str | None
    since: datetime | None


class Account(_Response):
    """One set of credentials at a provider."""

    account: str = Field(description="`<provider>/<account>`")
    health: AccountHealth
    why: str | None = Field(description="What the provider said: an HTTP status, or why there was none.")
    since: datetime | None
    until: datetime | None = Field(description="When a pause or a throttle ends; null: not by itself.")
    beneath: Beneath | None = Field(description="Refused or down beneath a pause; null: neither.")
    probe_at: datetime | None
    tokens: int = Field(description="Requests that could leave at once.")
    rate: Rate
    throttles: int = Field(description="Answers with 429 in a row.")
    backlog: Backlog
    orders: dict[Status, int]


class AccountPage(_Response):
    """All configured accounts."""

    items: list[Account]
    next_cursor: None


class DeadLetter(_Response):
    """A message that no task could process."""

    id: str
    queue: str = Field(description="The queue it came from, and goes back to.")
    at: datetime = Field(description="When it was removed from the queue.")
    reason: DeadLetterReason
    size: int = Field(description="Bytes of the whole message.")
    truncated: bool = Field(description="Only the beginning was kept, so it cannot be requeued.")
    raw: str = Field(description="The message; bytes that are not UTF-8 are escaped (`\\xff`).")


class DeadLetterPage(_Response):
    """Dead letters, newest first."""

    items: list[DeadLetter]
    next_cursor: str | None = Field(description="Of the next page; null on the last.")


class Cleared(_Response):
    """The result of clearing the dead letters."""

    cleared: int = Field(description="How many were deleted.")


class Pause(BaseModel):
    """How long to pause."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    seconds: float | None = Field(
        default=None, strict=True, gt=0, le=366 * 86_400, description="Until resumed where it is left out."
    )


class Override(BaseModel):
    """Whether to ask in spite of what the provider said."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    now: bool = Field(
        default=False, strict=True, description="Ask even before the provider's `Retry-After` has passed."
    )


class Resumed(_Response):
    """What became of a resume."""

    resumed: bool = Field(description="Whether requests go on at once; false where the provider's hint stands.")
    until: datetime | None = Field(description="Until when the provider asked to be left alone; null: it did not.")


class FieldProblem(_Response):
    """One thing that is wrong."""

    field: str = Field(description="Its dotted path.")
    message: str


class Problem(_Response):
    """An error, after RFC 9457."""

    type: str = Field(description="`urn:willcall:problem:<kind>`")
    title: str
    status: int
    detail: str
    request_id: str | None = Field(description="The logs know the request by it.")
    errors: list[FieldProblem] | None = Field(default=None, description="Every field that is wrong.")


#: What an order must be, and that it is judged for itself: what is none does not make the batch a bad one.
_EACH = {"anyOf": [{"$ref": "#/components/schemas/SubmitOrder"}, {}]}


class Batch(BaseModel):
    """Orders to submit, each for itself."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    orders: list[Annotated[Any, WithJsonSchema(_EACH)]] = Field(max_length=1_000)


class BatchResult(_Response):
    """What became of one order: `order` where it is ours now, else `error`."""

    id: str | None
    status_code: Literal[200, 201, 409, 422]
    order: Order | None = None
    error: Problem | None = None


class BatchResults(_Response):
    """One result per order, in the same order."""

    results: list[BatchResult]


class Part(_Response):
    """Whether a part answers."""

    ok: bool
    detail: str | None = Field(default=None, description="What is wrong with it.")


class Readiness(_Response):
    """Whether orders can be taken."""

    ready: bool
    parts: dict[str, Part]


class Liveness(_Response):
    """The process answers."""

    status: Literal["ok"]
