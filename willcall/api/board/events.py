"""An order's events, each with what is known of the telling of its backend. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from willcall.orders.callbacks import CallbackStatus, is_accepted
from willcall.stores.deliveries import MOST_ATTEMPTS, DeliveryAttempt, DeliveryState
from willcall.stores.events import StoredEvent


class DeliveryStatus(StrEnum):
    """Where the telling of an event stands.

    Of the latest that is kept. One before it is superseded by it, unless the tries say how it ended; where so many
    were made that the earliest are gone, nobody knows any more. `FEED`: no backend is told.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event. `at` is None where the feed no longer has it, `next_try_at` where there is none; epoch seconds."""

    id: str
    type: str
    at: float | None
    told: DeliveryStatus
    tries: int
    next_try_at: float | None = None


def event_rows(
    events: Sequence[StoredEvent], delivery: DeliveryState | None, tries: Sequence[DeliveryAttempt]
) -> list[EventRow]:
    """An order's events, newest first; `events` are those that the feed has, oldest first."""
    known: dict[str, tuple[str, float | None]] = {event.id: (event.type, event.occurred_at) for event in events}
    if delivery:
        known.setdefault(delivery.event_id, (delivery.event_type, None))
    return [_line(event_id, *known[event_id], delivery, tries) for event_id in reversed(known)]


def _line(
    event_id: str, event_type: str, at: float | None, delivery: DeliveryState | None, tries: Sequence[DeliveryAttempt]
) -> EventRow:
    made = [each for each in tries if each.event_id == event_id]
    if delivery is None:
        return EventRow(event_id, event_type, at, DeliveryStatus.FEED, len(made))
    if delivery.event_id != event_id:
        return EventRow(event_id, event_type, at, _earlier(made, complete=len(tries) < MOST_ATTEMPTS), len(made))
    waits = delivery.status is CallbackStatus.PENDING
    next_try_at = delivery.next_try_at if waits else None
    return EventRow(event_id, event_type, at, DeliveryStatus(delivery.status.value), len(made), next_try_at)


def _earlier(made: Sequence[DeliveryAttempt], *, complete: bool) -> DeliveryStatus:
    """What became of an event that is not the latest; `complete`: all tries that were made are known."""
    if any(is_accepted(each.http_status) for each in made):
        return DeliveryStatus.DELIVERED
    if any(each.wait is None for each in made):
        return DeliveryStatus.UNDELIVERABLE
    return DeliveryStatus.SUPERSEDED if made or complete else DeliveryStatus.FORGOTTEN
