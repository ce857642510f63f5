"""The JSON that leaves the house, and the way back: RFC 3339 times, the contract's field names."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from willcall.orders.model import Attempt, Order, Ticket, TicketKind, TicketStatus


def rfc3339(moment: float | None) -> str | None:
    """Epoch seconds as UTC, e.g. `2026-11-22T10:00:00Z`; milliseconds only where there are any."""
    if moment is None:
        return None
    time = datetime.fromtimestamp(moment, UTC)
    precision = "milliseconds" if time.microsecond >= 1_000 else "seconds"  # noqa: PLR2004 - 1 ms
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def ticket_to_json(ticket: Ticket) -> dict[str, Any]:
    """A ticket as JSON."""
    return asdict(ticket)


def ticket_from_json(document: Mapping[str, Any]) -> Ticket:
    """A ticket from its JSON, as we stored it."""
    words = {"kind": TicketKind(document["kind"]), "status": TicketStatus(document.get("status", TicketStatus.VALID))}
    return Ticket(**{**document, **words})


def order_to_json(order: Order) -> dict[str, Any]:
    """An order as the contract's JSON."""
    return {
        "id": order.id,
        "provider": order.provider,
        "account": order.account,
        "reference": order.reference,
        "status": order.status.value,
        "attention": order.attention.value if order.attention else None,
        "reason": order.reason,
        "provider_status": order.provider_status,
        "quantity": order.quantity,
        "attempts": order.attempts,
        "submitted_at": rfc3339(order.submitted_at),
        "not_before": rfc3339(order.not_before),
        "next_poll_at": rfc3339(order.next_poll_at),
        "deadline_at": rfc3339(order.deadline_at),
        "finished_at": rfc3339(order.finished_at),
        "tickets": [ticket_to_json(ticket) for ticket in order.tickets],
        "callback_url": order.callback_url,
        "metadata": dict(order.metadata),
    }


def attempt_to_json(attempt: Attempt) -> dict[str, Any]:
    """A line of the timeline as JSON; `countdown` and `late` in seconds."""
    return {
        "at": rfc3339(attempt.at),
        "outcome": attempt.outcome,
        "http_status": attempt.http_status,
        "countdown": attempt.countdown,
        "why": attempt.why,
        "late": attempt.late,
    }
