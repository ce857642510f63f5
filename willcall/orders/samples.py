"""Sample orders, with which a backend's handling of events is tried."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from willcall.orders.model import Attention, EndedBy, Order, Status, Ticket, TicketKind
from willcall.orders.serialization import order_to_json, rfc3339

#: What the ids of sample orders begin with. Real ones may too, so the event says `sample` as well.
ID_PREFIX = "sample-"
#: The events that a sample can be of: by status, and those while the status stays.
SAMPLES = (*(status.value for status in Status), "updated", "attention", "at_risk")

_TICKETS = tuple(Ticket(TicketKind.BARCODE, code=f"SAMPLE-{number}", code_format="QR") for number in (1, 2))
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "partial": {"status": Status.PARTIAL, "tickets": _TICKETS[:1]},
    "fulfilled": {"status": Status.FULFILLED, "tickets": _TICKETS, "ended_by": EndedBy.PROVIDER},
    "failed": {"status": Status.FAILED, "reason": "sold out", "ended_by": EndedBy.PROVIDER},
    "cancelled": {"status": Status.CANCELLED, "reason": "cancelled at the provider", "ended_by": EndedBy.PROVIDER},
    "expired": {
        "status": Status.EXPIRED,
        "reason": "no final answer from the provider before the deadline",
        "ended_by": EndedBy.DEADLINE,
    },
    "updated": {
        "status": Status.FULFILLED,
        "tickets": (_TICKETS[0], replace(_TICKETS[1], code="SAMPLE-2-CORRECTED")),
        "ended_by": EndedBy.PROVIDER,
    },
    "attention": {"attention": Attention.NOT_FOUND},
    "at_risk": {"at_risk": True},
}
_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """An event about an order that does not exist, made at an epoch second. It is in no feed."""

    id: str
    name: str
    at: float

    @property
    def type(self) -> str:
        return f"order.{self.name}"

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON, the body of the callback."""
        order = _order(self.name, f"{ID_PREFIX}{self.id.removeprefix('evt_')[:12]}", self.at)
        return {
            "id": self.id,
            "type": self.type,
            "order_id": order.id,
            "occurred_at": rfc3339(self.at),
            "sample": True,
            "data": order_to_json(order),
        }


def _order(name: str, order_id: str, now: float) -> Order:
    order = Order(
        id=order_id,
        provider="tiqets",
        account="default",
        reference="sample",
        status=Status.PENDING,
        submitted_at=now - _HOUR,
        deadline_at=now + 23 * _HOUR,
        quantity=2,
        attempts=3,
        event_at=now + 5 * _HOUR,
        updated_at=now,
        metadata={"sample": "true"},
    )
    order = replace(order, **_CHANGES.get(name, {}))
    return order if order.ended_by is None else replace(order, finished_at=now)
