"""The board's words for states, answers and events; what of a reference or a ticket is shown at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf

from willcall.api.board.events import DeliveryStatus
from willcall.orders.callbacks import is_accepted
from willcall.orders.model import CLOSED, OPEN, Attempt, Attention, Order, Ticket, TicketKind
from willcall.orders.serialization import rfc3339
from willcall.orders.statistics import BUCKET_BOUNDS, quantile
from willcall.orders.ticket_documents import DOCUMENT_ERROR, lacks_document, stored_file  # noqa: F401 - the same
from willcall.orders.troubles import ACCOUNT_TROUBLES, ORDER_TROUBLES, Trouble
from willcall.orders.urls import (
    redact_callback_url,
    web_host,  # noqa: F401 - templates read it here
)
from willcall.providers.registry import ADAPTERS
from willcall.stores.accounts import AccountHealth
from willcall.stores.deliveries import DeliveryAttempt
from willcall.stores.listing import AttentionSummary
from willcall.stores.operator_events import OperatorEvent
from willcall.views.formatting import describe_document_warning, format_duration  # noqa: F401 - the same

#: How many characters of a code are shown at once.
_SHOWN = 3
#: What stands for the others.
REDACTED = "•••"

#: What is done on this board, as an advice names it.
_HERE = {"cancel": "cancel the order", "redeliver": "redeliver it"}

#: What came back, by the outcome's name.
_CAME_BACK = {
    "issued": "all tickets",
    "partly_issued": "some of the tickets",
    "not_ready": "no tickets yet",
    "declined": "declined",
    "cancelled": "cancelled",
    "throttled": "too many requests",
    "unavailable": "no usable answer",
    "missing": "not known there",
    "unauthorized": "key refused",
    "malformed": "an answer that cannot be read",
}

_REASONS = {
    Attention.UNAUTHORIZED: "key refused",
    Attention.NOT_FOUND: "not known there",
    Attention.MALFORMED: "answer unreadable",
    Attention.PERSONALIZATION: "names missing",
    Attention.UNDELIVERABLE: "backend not told",
}

_STANDS = {
    DeliveryStatus.PENDING: "on its way",
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.UNDELIVERABLE: "could not be delivered",
    DeliveryStatus.SUPERSEDED: "superseded",
    DeliveryStatus.FORGOTTEN: "superseded; what was tried is no longer kept",
    DeliveryStatus.FEED: "in the event feed",
}

_FILES = {TicketKind.IMAGE: "image", TicketKind.ARCHIVE: "archive", TicketKind.WALLET: "wallet pass"}

_HAPPENED = {f"account.{health}": trouble.what for health, trouble in ACCOUNT_TROUBLES.items()} | {
    "account.throttled": "has been rate-limiting us for long",
    "account.ok": "has recovered",
}

_HEALTH = {
    AccountHealth.OK: "ok",
    AccountHealth.THROTTLED: "throttled",
    AccountHealth.PAUSED: "paused",
    AccountHealth.UNAUTHORIZED: "key refused",
    AccountHealth.DOWN: "down",
}


def health_label(state: AccountHealth) -> str:
    """How an account is doing."""
    return _HEALTH[state]


def result_label(attempt: Attempt) -> str:
    """What an attempt came back with."""
    return _CAME_BACK.get(attempt.outcome, attempt.outcome.replace("_", " "))


def advice(order: Order) -> Trouble | None:
    """What its reason for attention means, with what is to be done here."""
    return _here(order.attention) if order.attention else None


def filter_advice(attention: str | None) -> Trouble | None:
    """What a reason means that orders are filtered by; None for all reasons together."""
    return _here(Attention(attention)) if attention in set(Attention) else None


def _here(attention: Attention) -> Trouble:
    trouble = ORDER_TROUBLES[attention]
    return replace(trouble, remedy=trouble.instructions(**_HERE))


def attention_label(attention: Attention) -> str:
    """A reason in two or three words."""
    return _REASONS[attention]


def duration_label(value: float | None) -> str:
    """A short duration, e.g. `80 ms`, `1.4 s`, `12 min`; a dash where there is none."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash, where a number would be
    if value < 0.9995:  # noqa: PLR2004 - what is rounded to less than 1,000 ms
        return f"{value * 1_000:.0f} ms"
    return f"{value:.1f} s" if value < 10 else format_duration(value, 1)  # noqa: PLR2004 - from here on tenths say nothing


def quantile_label(counts: Mapping[str, int], measure: str, share: float) -> str:
    """What a share of the durations are at most: the end of a bucket, e.g. `≤ 1 min`; a dash where there are none."""
    bound = quantile(counts, measure, share)
    return (
        f"> {duration_label(BUCKET_BOUNDS[measure][-1])}"
        if bound == inf
        else f"{'' if bound is None else '≤ '}{duration_label(bound)}"
    )


def delivery_label(told: DeliveryStatus) -> str:
    """Where the telling of an event stands."""
    return _STANDS[told]


def activity_label(event: OperatorEvent) -> str:
    """An event for operators, behind what it is about."""
    if event.type == "order.attention":
        known = event.data.get("attention")
        return attention_label(Attention(known)) if known in set(Attention) else "needs a person"
    return _HAPPENED.get(event.type, event.type)


def activity_subject(event: OperatorEvent) -> tuple[str, str]:
    """What it is about: `account` or `order`, and which."""
    kind, _, name = event.subject.partition(":")
    return kind, name


def can_poll(order: Order) -> bool:
    """Whether asking now may change anything."""
    return order.status not in CLOSED


def is_open(order: Order) -> bool:
    """Whether tickets may still come, and it can be cancelled."""
    return order.status in OPEN


def redacted(text: str) -> str:
    """The end of a code, for comparing."""
    return REDACTED + text[-_SHOWN:] if len(text) > 2 * _SHOWN else REDACTED


def is_secret_reference(order: Order) -> bool:
    """Whether the reference alone lets its holder in."""
    adapter = ADAPTERS.get(order.provider)
    return adapter is None or adapter.reference_is_secret(order.reference)


def reference_label(order: Order) -> str:
    """The reference as it is shown at once."""
    return redacted(order.reference) if is_secret_reference(order) else order.reference


def seat_label(ticket: Ticket) -> str:
    """Where a ticket lets its holder sit."""
    parts: Mapping[str, str | None] = {"section": ticket.section, "row": ticket.row, "seat": ticket.seat}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def callback_label(order: Order) -> str:
    """Where its backend is told."""
    return redact_callback_url(order.callback_url) if order.callback_url else "none"


def iso(moment: float) -> str:
    """A moment for programs."""
    return rfc3339(moment) or ""


def clock(moment: float, *, seconds: bool = False) -> str:
    """When it was, by the clock of UTC; pages with a script show the reader's own."""
    return f"{datetime.fromtimestamp(moment, UTC):{'%H:%M:%S' if seconds else '%H:%M'}} UTC"


def response_label(made: DeliveryAttempt) -> str:
    """What a backend's answer without words of ours comes to."""
    return "taken" if is_accepted(made.http_status) else "not taken"


def fix(trouble: Trouble, account_key: str) -> str:
    """What to do about an account that is not well, with what is done here."""
    return trouble.for_account(account_key, "press Resume")


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Orders that need attention for one reason: how many, at which accounts, and the newest of them."""

    attention: Attention
    title: str
    advice: Trouble
    count: int
    accounts: Sequence[tuple[str, int]]
    orders: Sequence[Order]


def attention_groups(survey: AttentionSummary) -> list[AttentionGroup]:
    """What needs a person, reason by reason: first the reason that named orders have."""
    found = []
    for attention in Attention:
        accounts = sorted((key, count) for (key, reason_), count in survey.counts.items() if reason_ is attention)
        orders = [order for order in survey.orders if order.attention is attention]
        if accounts:
            count = sum(count for _, count in accounts)
            found.append(
                AttentionGroup(attention, attention_label(attention), _here(attention), count, accounts, orders)
            )
    return sorted(found, key=lambda group: not group.orders)


def file_label(ticket: Ticket) -> str:
    """Say what kind of file a ticket's document is."""
    file = stored_file(ticket)
    return _FILES.get(file.kind, "PDF") if file else "file"


def why_not_fetched(ticket: Ticket) -> str | None:
    """Say why the file of a ticket is not fetched any more, None where it is still to come."""
    return ticket.extra.get(DOCUMENT_ERROR)
