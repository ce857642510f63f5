"""The closed set of what one status request can come back with.

Adapters turn every answer, however odd, into exactly one of these before anything decides what to do.
`detail` is for people (the timeline) and never holds a secret or a ticket; `provider_status` is the
provider's own word.
"""

from dataclasses import dataclass, replace

from willcall.orders.model import Attention, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What every outcome has.

    `retry_after` is the wait in seconds that the answer asked for, whatever its status (see `extend_retry_after`);
    `not_before` the moment (epoch seconds) that the provider announced for issuing. The later of the two counts.
    """

    provider_status: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    not_before: float | None = None


@dataclass(frozen=True, slots=True)
class Issued(_Outcome):
    """All tickets are here."""

    tickets: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class PartlyIssued(_Outcome):
    """Some of `expected` tickets are here (`expected` is None where the provider does not say)."""

    tickets: tuple[Ticket, ...]
    expected: int | None = None
    attention: Attention | None = None


@dataclass(frozen=True, slots=True)
class NotReady(_Outcome):
    """Nothing yet.

    `attention` is set where waiting alone will not bring the tickets (the customer must personalise them).
    `expected` is how many tickets the order has by the provider's word, for those that were pushed before. `void` are
    tickets that it names and that let nobody in (any more).
    """

    attention: Attention | None = None
    expected: int | None = None
    void: tuple[Ticket, ...] = ()


@dataclass(frozen=True, slots=True)
class Declined(_Outcome):
    """The provider will not fulfil the order: refund the customer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled(_Outcome):
    """The order was cancelled at the provider."""

    reason: str


@dataclass(frozen=True, slots=True)
class Throttled(_Outcome):
    """429, or 403 that asks for patience: the whole account must wait `retry_after` seconds (None: not said).

    `by_gateway`: a gateway refused the request in the provider's place, and did not say why.
    """

    by_gateway: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable(_Outcome):
    """No usable answer: 5xx, a reset, a time-out. `reached` is False where no request left the house."""

    request_sent: bool = True


@dataclass(frozen=True, slots=True)
class Missing(_Outcome):
    """404: the provider does not know the order, or not yet."""


@dataclass(frozen=True, slots=True)
class Unauthorized(_Outcome):
    """Our credentials were refused: 401 for the `account`, 403 for this one order."""

    whole_account: bool


@dataclass(frozen=True, slots=True)
class Malformed(_Outcome):
    """An answer that cannot be read: not JSON, wrong types, an unexpected HTTP status."""


Outcome = (
    Issued
    | PartlyIssued
    | NotReady
    | Declined
    | Cancelled
    | Throttled
    | Unavailable
    | Missing
    | Unauthorized
    | Malformed
)

#: The word for each outcome in timelines and metrics.
OUTCOME_NAMES: dict[type[Outcome], str] = {
    Issued: "issued",
    PartlyIssued: "partly_issued",
    NotReady: "not_ready",
    Declined: "declined",
    Cancelled: "cancelled",
    Throttled: "throttled",
    Unavailable: "unavailable",
    Missing: "missing",
    Unauthorized: "unauthorized",
    Malformed: "malformed",
}


def outcome_name(outcome: Outcome) -> str:
    """The word for an outcome in timelines and metrics."""
    return OUTCOME_NAMES[type(outcome)]


def extend_retry_after(outcome: Outcome, retry_after: float | None) -> Outcome:
    """Return the outcome with the wait that its answer asked for, in seconds; a longer one of its own stays."""
    if retry_after is None or (outcome.retry_after is not None and outcome.retry_after >= retry_after):
        return outcome
    return replace(outcome, retry_after=retry_after)
