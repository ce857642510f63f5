"""Labels of states, results and events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf

from willcall.api.board.events import DeliveryStatus
from willcall.orders.callbacks import is_accepted
from willcall.orders.model import CLOSED, OPEN, Attempt, Attention, Order, Ticket, TicketKind
from willcall.orders.serialization import rfc3339
from willcall.orders.statistics import BUCKET_BOUNDS, quantile
from willcall.orders.ticket_documents import DOCUMENT_ERROR, stored_file
from willcall.orders.troubles import ACCOUNT_TROUBLES, ORDER_TROUBLES, Trouble
from willcall.orders.urls import redact_callback_url
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.deliveries import DeliveryAttempt
from willcall.stores.listing import AttentionSummary
from willcall.stores.operator_events import OperatorEvent
from willcall.usecases.bulk import BulkAction
from willcall.views.formatting import format_duration

#: What operators do on this board, in the words of `Trouble.instructions`.
_HERE = {"cancel": "cancel the order", "redeliver": "redeliver it"}

_RESULTS = {
    "issued": "all tickets",
    "partly_issued": "some tickets",
    "not_ready": "no tickets yet",
    "declined": "declined",
    "cancelled": "cancelled",
    "throttled": "too many requests",
    "unavailable": "unavailable",
    "missing": "unknown reference",
    "unauthorized": "API key rejected",
    "malformed": "unreadable response",
}

_REASONS = {
    Attention.UNAUTHORIZED: "API key rejected",
    Attention.NOT_FOUND: "unknown reference",
    Attention.MALFORMED: "unreadable response",
    Attention.PERSONALIZATION: "names missing",
    Attention.APPROVAL: "needs approval",
    Attention.UNDELIVERABLE: "callback failed",
}

_DELIVERIES = {
    DeliveryStatus.PENDING: "pending",
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.UNDELIVERABLE: "failed",
    DeliveryStatus.SUPERSEDED: "superseded",
    DeliveryStatus.FORGOTTEN: "superseded; attempts no longer stored",
    DeliveryStatus.FEED: "in the event feed",
}

_FILES = {TicketKind.IMAGE: "image", TicketKind.ARCHIVE: "archive", TicketKind.WALLET: "wallet pass"}

_ACTIVITIES = {f"account.{health}": trouble.what for health, trouble in ACCOUNT_TROUBLES.items()} | {
    "account.throttled": "has been rate-limiting us for long",
    "account.ok": "has recovered",
}

_HEALTH = {
    AccountHealth.OK: "ok",
    AccountHealth.THROTTLED: "throttled",
    AccountHealth.PAUSED: "paused",
    AccountHealth.UNAUTHORIZED: "API key rejected",
    AccountHealth.DOWN: "down",
}


def health_label(state: AccountHealth) -> str:
    return _HEALTH[state]


def result_label(attempt: Attempt) -> str:
    return _RESULTS.get(attempt.outcome, attempt.outcome.replace("_", " "))


def http_label(attempt: Attempt) -> str:
    """Return the HTTP status of an entry, `none` without a response; other entries are of no request."""
    return str(attempt.http_status or ("none" if attempt.outcome == "unavailable" else ""))


def advice(order: Order) -> Trouble | None:
    """What the order's reason for attention means, and what to do about it here."""
    return _here(order.attention) if order.attention else None


def filter_advice(attention: str | None) -> Trouble | None:
    """The label of a filter by reason; None is the one for all reasons."""
    return _here(Attention(attention)) if attention in set(Attention) else None


def _here(attention: Attention) -> Trouble:
    trouble = ORDER_TROUBLES[attention]
    return replace(trouble, remedy=trouble.instructions(**_HERE))


def attention_label(attention: Attention) -> str:
    return _REASONS[attention]


def duration_label(value: float | None) -> str:
    """Return a short duration such as `80 ms`, `1.4 s` or `12 min`, or a dash."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash, where a number would be
    if value < 0.9995:  # noqa: PLR2004 - values that round to less than 1,000 ms
        return f"{value * 1_000:.0f} ms"
    return f"{value:.1f} s" if value < 10 else format_duration(value, 1)  # noqa: PLR2004 - then tenths do not matter


def quantile_label(counts: Mapping[str, int], measure: str, share: float) -> str:
    """Return the bucket that a quantile is in, such as `≤ 1 min`, or a dash."""
    bound = quantile(counts, measure, share)
    return (
        f"> {duration_label(BUCKET_BOUNDS[measure][-1])}"
        if bound == inf
        else f"{'' if bound is None else '≤ '}{duration_label(bound)}"
    )


def delivery_label(status: DeliveryStatus) -> str:
    return _DELIVERIES[status]


def activity_label(event: OperatorEvent) -> str:
    if event.type == "order.attention":
        known = event.data.get("attention")
        return attention_label(Attention(known)) if known in set(Attention) else "needs attention"
    return _ACTIVITIES.get(event.type, event.type)


def activity_subject(event: OperatorEvent) -> tuple[str, str]:
    """Return `account` or `order`, and which."""
    kind, _, name = event.subject.partition(":")
    return kind, name


#: The columns that the list of orders offers besides the order's id.
LIST_COLUMNS = (
    *("account", "client", "reference", "group", "status", "provider_status", "quantity", "tickets", "event_at"),
    *("next_poll_at", "attempts", "submitted_at", "updated_at", "finished_at", "callback_host", "metadata"),
)
_COLUMN_LABELS = {
    "event_at": "Event",
    "next_poll_at": "When",
    "attempts": "Polls",
    "submitted_at": "Submitted",
    "updated_at": "Changed",
    "finished_at": "Ended",
}


def column_label(column: str) -> str:
    return _COLUMN_LABELS.get(column, column[:1].upper() + column[1:].replace("_", " "))


def default_columns(listed: Sequence[Order]) -> Sequence[str]:
    """Return the columns of a list of these orders, besides the id."""
    events = ["event_at"] if any(order.event_at for order in listed) else []
    return ["account", "reference", "status", *events, "next_poll_at", "attempts", "submitted_at"]


#: What an action on many orders will do, and what it has done.
BULK_EFFECTS = {
    BulkAction.POLL: "Each order is polled as soon as the provider's hints, the minimum interval and the rate allow.",
    BulkAction.RESUME: "Each open order is polled as soon as the provider's hints, the minimum interval and the rate "
    "allow. Orders of a stopped account wait until it recovers. Final orders stay as they are.",
    BulkAction.REDELIVER: "The latest event of each order is sent to its backend again. "
    "Orders without one stay as they are.",
    BulkAction.COMPLETE: "Each order becomes fulfilled with the tickets that are here, and its backend is notified. "
    "No later answer of the provider undoes it. Orders without a ticket stay as they are.",
    BulkAction.CANCEL: "Willcall stops polling and notifies the backends. Nothing is cancelled at the providers. "
    "Orders that have ended otherwise stay as they are.",
}
BULK_DONE = {
    BulkAction.POLL: "will be polled as soon as allowed",
    BulkAction.RESUME: "will be polled as soon as allowed",
    BulkAction.REDELIVER: "queued for redelivery",
    BulkAction.COMPLETE: "completed",
    BulkAction.CANCEL: "cancelled",
}


def can_poll(order: Order) -> bool:
    """Return whether polling may change the order."""
    return order.status not in CLOSED and order.erased_at is None


def is_open(order: Order) -> bool:
    """Return whether tickets may still come, and the order can be cancelled."""
    return order.status in OPEN


def seat_label(ticket: Ticket) -> str:
    parts: Mapping[str, str | None] = {"section": ticket.section, "row": ticket.row, "seat": ticket.seat}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)


def callback_label(url: str | None) -> str:
    return redact_callback_url(url) if url else "none"


def iso(moment: float) -> str:
    return rfc3339(moment) or ""


def clock(moment: float, *, seconds: bool = False) -> str:
    """Return the UTC time; pages with a script show the reader's own."""
    return f"{datetime.fromtimestamp(moment, UTC):{'%H:%M:%S' if seconds else '%H:%M'}} UTC"


def response_label(made: DeliveryAttempt) -> str:
    return "accepted" if is_accepted(made.http_status) else "rejected"


def fix(trouble: Trouble, account_key: str, state: AccountState | None) -> str:
    """Return what to do about an account, with the label of its button."""
    failing = state is not None and state.health in {AccountHealth.UNAUTHORIZED, AccountHealth.DOWN}
    return trouble.for_account(account_key, "press Try now" if failing else "press Resume")


@dataclass(frozen=True, slots=True)
class AttentionGroup:
    """Orders that need attention for one reason; `orders` are the newest of them."""

    attention: Attention
    title: str
    advice: Trouble
    count: int
    accounts: Sequence[tuple[str, int]]
    orders: Sequence[Order]


def attention_groups(survey: AttentionSummary) -> list[AttentionGroup]:
    """Group the orders that need attention; groups with listed orders come first."""
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
    file = stored_file(ticket)
    return _FILES.get(file.kind, "PDF") if file else "file"


def why_not_fetched(ticket: Ticket) -> str | None:
    """Return why the file of a ticket is no longer fetched, or `None`."""
    return ticket.extra.get(DOCUMENT_ERROR)
