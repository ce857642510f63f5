"""An order's events, each with the status of its callback."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from willcall.orders.callbacks import CallbackStatus, is_accepted
from willcall.stores.deliveries import MOST_ATTEMPTS, DeliveryAttempt, DeliveryState
from willcall.stores.events import StoredEvent


class DeliveryStatus(StrEnum):
    """The status of an event's callback.

    An event is superseded by a newer one, unless a delivery attempt shows how it ended.
    `FORGOTTEN`: its attempts are no longer stored. `FEED`: the order has no callback URL, or the event says that
    notifying the backend failed.
    """

    PENDING = "pending"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event. `at` (epoch seconds) is `None` if the feed no longer has it."""

    id: str
    type: str
    at: float | None
    status: DeliveryStatus
    attempts: int
    next_try_at: float | None = None


def event_rows(
    events: Sequence[StoredEvent], delivery: DeliveryState | None, attempts: Sequence[DeliveryAttempt]
) -> list[EventRow]:
    """Return an order's events, newest first; `events` are those in the feed, oldest first."""
    known: dict[str, tuple[str, float | None]] = {event.id: (event.type, event.occurred_at) for event in events}
    if delivery:
        known.setdefault(delivery.event_id, (delivery.event_type, None))
    ids = list(known)
    unsent = ids[ids.index(delivery.event_id) + 1 :] if delivery else []
    return [
        _line(event_id, *known[event_id], delivery, attempts, unsent=event_id in unsent) for event_id in reversed(ids)
    ]


def _line(
    event_id: str,
    event_type: str,
    at: float | None,
    delivery: DeliveryState | None,
    attempts: Sequence[DeliveryAttempt],
    *,
    unsent: bool,
) -> EventRow:
    made = [each for each in attempts if each.event_id == event_id]
    if delivery and unsent and event_id == delivery.later_id:
        return EventRow(event_id, event_type, at, DeliveryStatus(delivery.status.value), 0)
    if delivery is None or unsent:
        return EventRow(event_id, event_type, at, DeliveryStatus.FEED, len(made))
    if delivery.event_id != event_id:
        return EventRow(event_id, event_type, at, _earlier(made, complete=len(attempts) < MOST_ATTEMPTS), len(made))
    waits = delivery.status is CallbackStatus.PENDING
    next_try_at = delivery.next_try_at if waits else None
    return EventRow(event_id, event_type, at, DeliveryStatus(delivery.status.value), len(made), next_try_at)


def _earlier(made: Sequence[DeliveryAttempt], *, complete: bool) -> DeliveryStatus:
    """Return the status of an event before the latest; `complete`: all delivery attempts are stored."""
    if any(is_accepted(each.http_status) for each in made):
        return DeliveryStatus.DELIVERED
    if any(each.wait is None for each in made):
        return DeliveryStatus.UNDELIVERABLE
    return DeliveryStatus.SUPERSEDED if made or complete else DeliveryStatus.FORGOTTEN
