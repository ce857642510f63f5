"""Where an order stands at a moment: a pure function of its script and of time."""

from collections.abc import Sequence
from enum import StrEnum

from willcall.simulator.script import OrderScript


class Phase(StrEnum):
    """What the provider would say of an order."""

    PENDING = "pending"
    PARTIAL = "partial"
    ISSUED = "issued"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Told once, nothing else follows.
FINAL = frozenset({Phase.FAILED, Phase.CANCELLED})


def phase_at(order: OrderScript, age: float) -> Phase:
    """The phase of an order known for `age` seconds."""
    issued_at = max(order.ready_after, order.fulfillment_starts_after or 0.0, order.needs_personalization_until or 0.0)
    if order.ends == "never" or age < issued_at:
        early = order.partial_after is not None and age >= order.partial_after
        return Phase.PARTIAL if early else Phase.PENDING
    if order.ends == "failed":
        return Phase.FAILED
    late = order.cancel_after is not None and age >= issued_at + order.cancel_after
    return Phase.CANCELLED if late or order.ends == "cancelled" else Phase.ISSUED


def last_phase(order: OrderScript) -> Phase | None:
    """The phase in which the order stays for good; None where it never leaves pending."""
    return None if order.ends == "never" else phase_at(order, float("inf"))


def tickets_at(order: OrderScript, phase: Phase) -> int:
    """How many of the order's tickets exist in this phase."""
    if phase is Phase.ISSUED:
        return order.quantity
    return max(order.quantity // 2, 1) if phase is Phase.PARTIAL else 0


def overall(phases: Sequence[Phase]) -> Phase:
    """The phase of several orders shown in one list."""
    if len(set(phases)) == 1:
        return phases[0]
    waiting = any(phase in (Phase.PENDING, Phase.PARTIAL) for phase in phases)
    some = any(phase in (Phase.ISSUED, Phase.PARTIAL) for phase in phases)
    if waiting:
        return Phase.PARTIAL if some else Phase.PENDING
    return Phase.ISSUED if some else Phase.FAILED
