"""Dead letters, and the health of the API itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from willcall.schemas.base import OPTIONAL, OneOf, Schema
from willcall.schemas.orders import Ticket

DeadLetterReason = Annotated[
    str,
    OneOf("unreadable", "too_large", "content_type", "malformed", "unknown_task", "unfinished", "failed"),
]


@dataclass(frozen=True, kw_only=True)
class DeadLetter(Schema):
    """A message that no task could process."""

    id: str
    queue: str
    """The queue that the message came from, and is requeued to."""
    at: datetime
    """When the message was removed from the queue."""
    reason: DeadLetterReason
    size: int
    """Size of the whole message in bytes."""
    truncated: bool
    """Only the beginning was stored, so the message cannot be requeued."""
    raw: str = field(repr=False)
    """The message; bytes that are not UTF-8 are escaped (`\\\\xff`)."""


@dataclass(frozen=True, kw_only=True)
class DeadLetterPage(Schema):
    """Dead letters, newest first."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None
    """The cursor of the next page; null on the last page."""


@dataclass(frozen=True, kw_only=True)
class ClearResult(Schema):
    """The result of clearing the dead letters."""

    cleared: int
    """How many were deleted."""


@dataclass(frozen=True, kw_only=True)
class ServiceStatus(Schema):
    """Whether a required service responds."""

    ok: bool
    detail: str | None = field(default=None, metadata=OPTIONAL)
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Readiness(Schema):
    """Whether the API can accept orders."""

    ready: bool
    parts: Mapping[str, ServiceStatus]


@dataclass(frozen=True, kw_only=True)
class Liveness(Schema):
    """The process is running."""

    status: Literal["ok"] = "ok"


#: What a process did with a reload.
TAKEN, REFUSED, NO_ANSWER = "taken", "refused", "no_answer"


@dataclass(frozen=True, kw_only=True)
class ProcessReload(Schema):
    """The answer of one process to a reload."""

    kind: Annotated[str, OneOf("worker", "beat", "api", "flower")]
    name: str
    outcome: Annotated[str, OneOf(TAKEN, REFUSED, NO_ANSWER)]
    errors: tuple[str, ...] = ()
    """Why it refused its configuration, and keeps the one it has."""
    restart_for: tuple[str, ...] = ()
    """Settings that have changed and take effect after a restart."""


@dataclass(frozen=True, kw_only=True)
class ReloadResult(Schema):
    """The answers of all processes to a reload."""

    processes: tuple[ProcessReload, ...]


@dataclass(frozen=True, kw_only=True)
class HistoryEntry(Schema):
    """Something that somebody did by hand."""

    at: datetime
    action: str
    """What was done, such as `paused` or `reloaded`."""
    by: str
    """Who did it: `operator anna`, `an operator`, `the backend`, `board: anna` or `command line (anna)`."""
    account: str | None
    """The account that it concerns, as `<provider>/<account>`; null if it concerns none alone."""
    detail: str
    """More about it, such as how long an account is paused."""


@dataclass(frozen=True, kw_only=True)
class HistoryPage(Schema):
    """The latest 100 actions for each account, and 100 others, newest first."""

    items: tuple[HistoryEntry, ...]
    next_cursor: None = None


@dataclass(frozen=True, kw_only=True)
class RedeliveryResult(Schema):
    """How far redeliveries have come."""

    redelivered: int
    """How many orders' latest events are sent again."""
    skipped: int
    """How many orders have no event to send, or no address to send it to."""
    next_cursor: str | None
    """Call again with it as `cursor` to continue; null if all are done."""


@dataclass(frozen=True, kw_only=True)
class TriggerResult(Schema):
    """What the backend answered to a sample event."""

    accepted: bool
    """Whether it answered 2xx."""
    event_id: str
    """The `webhook-id` of the sample."""
    type: str
    host: str
    """Where the sample was sent."""
    http_status: int | None
    """Null if there was no response; `why` says what happened."""
    why: str


@dataclass(frozen=True, kw_only=True)
class SweepStarted(Schema):
    """A sweep that a worker will run now."""

    name: str


@dataclass(frozen=True, kw_only=True)
class LookResult(Schema):
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
    """How many tickets there are to be, if the provider says so."""
    tickets: tuple[Ticket, ...]
    """The tickets that the provider lists. Their files are not fetched."""
    retry_at: datetime | None
    """No other request about this reference may be sent before, as the provider asked."""
    issuing_at: datetime | None
    """When the provider says that it will issue the tickets."""
