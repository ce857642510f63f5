"""The outcomes of a status request: a closed set.

Adapters turn every response into exactly one of these, before any decision about it.
"""

from dataclasses import dataclass, replace

from willcall.orders.model import Attention, Need, Needs, OrderDocument, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """The fields of every outcome.

    `provider_status` is the provider's own word. `detail` explains the outcome in the timeline and never quotes a
    secret or a ticket. `documents` are files of the order besides those of its tickets. `retry_after` is the wait in
    seconds that the response asked for, whatever its HTTP status (see `extend_retry_after`). `not_before` is the moment
    (epoch seconds) that the provider announced for issuing. The later of the two counts.
    """

    provider_status: str | None = None
    detail: str | None = None
    retry_after: float | None = None
    not_before: float | None = None
    documents: tuple[OrderDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Issued(_Outcome):
    """All tickets are issued."""

    tickets: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class PartlyIssued(_Outcome):
    """Some of `expected` tickets are issued; `expected` is `None` if the provider does not say.

    `attention` and `needs` are those of `NotReady`.
    """

    tickets: tuple[Ticket, ...]
    expected: int | None = None
    attention: Attention | None = None
    needs: Needs | None = None


@dataclass(frozen=True, slots=True)
class NotReady(_Outcome):
    """No tickets are issued yet.

    `needs` is set if waiting alone will not bring them. `attention` is set if there is another reason for a person to
    look. `expected` is how many tickets the order has; pushed tickets are compared with it. `void` are tickets that no
    longer let anybody in.
    """

    attention: Attention | None = None
    needs: Needs | None = None
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
    """429, or a 403 that asks to wait: the whole account must wait `retry_after` seconds, if the response says so.

    `by_gateway`: a gateway in front of the provider refused the request without a reason.
    """

    by_gateway: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable(_Outcome):
    """No usable response: 5xx, a connection error, a timeout. `request_sent` is false if nothing was sent."""

    request_sent: bool = True


@dataclass(frozen=True, slots=True)
class Missing(_Outcome):
    """404: the provider does not know the reference, or not yet."""


@dataclass(frozen=True, slots=True)
class Unauthorized(_Outcome):
    """Our credentials were rejected: for the whole account (401), or for this order alone (403)."""

    whole_account: bool


@dataclass(frozen=True, slots=True)
class Malformed(_Outcome):
    """An unreadable response: not JSON, wrong types, an unexpected HTTP status.

    `rejected`: the provider says that the request is wrong. To repeat it soon would change nothing.
    """

    rejected: bool = False


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

#: The name of each outcome in timelines and metrics.
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


#: The attention that an order needs because of what it needs. A payment is the customer's own business.
ATTENTION_OF_NEED: dict[Need, Attention | None] = {
    Need.PERSONALIZATION: Attention.PERSONALIZATION,
    Need.APPROVAL: Attention.APPROVAL,
    Need.PAYMENT: None,
}


def attention_of(outcome: NotReady | PartlyIssued) -> Attention | None:
    """Return why a person should look at an order that is not issued yet."""
    return outcome.attention or (ATTENTION_OF_NEED[outcome.needs.what] if outcome.needs else None)


def outcome_name(outcome: Outcome) -> str:
    """Return the name of an outcome in timelines and metrics."""
    return OUTCOME_NAMES[type(outcome)]


def extend_retry_after(outcome: Outcome, retry_after: float | None) -> Outcome:
    """Return the outcome with the wait (seconds) that its response asked for, unless it has a longer one already."""
    if retry_after is None or (outcome.retry_after is not None and outcome.retry_after >= retry_after):
        return outcome
    return replace(outcome, retry_after=retry_after)
