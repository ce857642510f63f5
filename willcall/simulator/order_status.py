"""The status of an order at its provider: a pure function of its script and its age."""

from collections.abc import Sequence
from enum import StrEnum

from willcall.simulator.script import OrderScript


class SimulatedStatus(StrEnum):
    """The status that the provider reports for an order."""

    PENDING = "pending"
    PARTIAL = "partial"
    ISSUED = "issued"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: No other status follows these.
FINAL = frozenset({SimulatedStatus.FAILED, SimulatedStatus.CANCELLED})


def status_at(order: OrderScript, age: float) -> SimulatedStatus:
    """Return the status of an order `age` seconds after the simulator got it."""
    issued_at = max(order.ready_after, order.fulfillment_starts_after or 0.0, order.needs_personalization_until or 0.0)
    if order.ends == "never" or age < issued_at:
        early = order.partial_after is not None and age >= order.partial_after
        return SimulatedStatus.PARTIAL if early else SimulatedStatus.PENDING
    if order.ends == "failed":
        return SimulatedStatus.FAILED
    late = order.cancel_after is not None and age >= issued_at + order.cancel_after
    return SimulatedStatus.CANCELLED if late or order.ends == "cancelled" else SimulatedStatus.ISSUED


def final_status(order: OrderScript) -> SimulatedStatus | None:
    """Return the status in which the order stays, or `None` if it stays pending."""
    return None if order.ends == "never" else status_at(order, float("inf"))


def issued_tickets(order: OrderScript, status: SimulatedStatus) -> int:
    """Return how many of the order's tickets are issued in this status."""
    if status is SimulatedStatus.ISSUED:
        return order.quantity
    return max(order.quantity // 2, 1) if status is SimulatedStatus.PARTIAL else 0


def combined_status(statuses: Sequence[SimulatedStatus]) -> SimulatedStatus:
    """Return the status of several orders that one list shows."""
    if len(set(statuses)) == 1:
        return statuses[0]
    some = any(status in (SimulatedStatus.ISSUED, SimulatedStatus.PARTIAL) for status in statuses)
    if any(status in (SimulatedStatus.PENDING, SimulatedStatus.PARTIAL) for status in statuses):
        return SimulatedStatus.PARTIAL if some else SimulatedStatus.PENDING
    return SimulatedStatus.ISSUED if some else SimulatedStatus.FAILED
