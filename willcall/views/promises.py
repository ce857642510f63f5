"""When something will really happen: a throttle, a pause, an outage or a missing worker may put it off."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from willcall.stores.accounts import AccountHealth
from willcall.views.accounts import account_trouble
from willcall.views.formatting import format_count, format_relative, format_timestamp

if TYPE_CHECKING:
    from willcall.orders.model import Order
    from willcall.providers.base import Account
    from willcall.stores.accounts import AccountState, ResumeOutcome
    from willcall.stores.registry import Stores
    from willcall.stores.schedule import ExpediteResult

_NO_WORKER = "No workers are running, so nothing is polled until one starts."


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the next poll of an account's order depends on. `workers`: whether any is running."""

    state: "AccountState | None"
    workers: bool

    @property
    def hint_until(self) -> float:
        return (self.state.hint_until if self.state else None) or 0.0

    def poll_at(self, order: "Order", *, override: bool = False) -> float | None:
        """Return when an order may be polled at the earliest, or `None` if its account has to recover first."""
        if order.next_poll_at is None or (self.state and self.state.health.holds_orders):
            return None
        return order.next_poll_at if override else max(order.next_poll_at, self.hint_until)

    @property
    def paused(self) -> bool:
        return self.state is not None and self.state.health is AccountHealth.PAUSED


def read_conditions(stores: "Stores", account: "Account | None") -> Conditions:
    state = stores.accounts.state(account.key, account.rate) if account else None
    return Conditions(state, bool(stores.processes.running("worker")))


def describe_first_poll(order: "Order", conditions: Conditions) -> str:
    """Return when an order just submitted will be polled first."""
    state, key = conditions.state, order.account_key
    if state and state.health.holds_orders:
        until = "it is resumed" if conditions.paused else "the account recovers"
        return f"{key} {account_trouble(state).what}, so the order is held until {until}"
    at = max(order.submitted_at, order.not_before or 0.0, conditions.hint_until)
    if not conditions.workers:
        return f"{key} will be polled once a worker is running"
    if at <= order.submitted_at:
        return f"{key} will be polled immediately"
    return f"{key} will be polled {format_relative(at, order.submitted_at)}, {format_timestamp(at)}"


def describe_expedited_poll(
    expedited: "ExpediteResult", account_key: str, now: float, conditions: Conditions, *, override: bool = False
) -> str:
    """Return when an order will be polled that was expedited, to follow its id. `override`: in spite of a hint."""
    match expedited.outcome.value:
        case "busy":
            return "is being polled now, and will be polled once more afterwards"
        case "held" if conditions.paused:
            return f"is held, and will be polled once its account {account_key} is resumed"
        case "held":
            return f"is held, and will be polled as soon as its account {account_key} recovers"
        case "too_late":
            return "cannot be polled again before its deadline"
    at = max(expedited.at or now, 0.0 if override else conditions.hint_until)
    when = "now" if at <= now else format_relative(at, now)
    if not conditions.workers:
        earliest = "" if when == "now" else f", not before {format_timestamp(at)}"
        return f"will be polled once a worker is running{earliest}"
    return f"will be polled {when}" + ("" if when == "now" else "; that is the earliest time allowed")


def describe_resume(resumed: "ResumeOutcome", now: float, override: str | None, *, workers: bool = True) -> str:
    """Return the result of resuming an account, to follow its name. `override` says how to ignore a hint."""
    return " ".join(filter(None, [_describe_resumed(resumed, now, override), None if workers else _NO_WORKER]))


def _describe_resumed(resumed: "ResumeOutcome", now: float, override: str | None) -> str:
    if resumed.until is not None:
        how = f" {override}" if override else ""
        until = f"{format_timestamp(resumed.until)} ({format_relative(resumed.until, now)})"
        return f"is resumed, but its provider allows no request until {until}.{how}"
    if resumed.probing is not None:
        return _describe_probe(resumed.probing)
    if resumed.released:
        continues = "continues" if resumed.released == 1 else "continue"
        return f"is resumed; {format_count(resumed.released, 'held order')} {continues}."
    return "is resumed; no orders were held."


def _describe_probe(orders: int) -> str:
    """Return how a rejected or failing account with so many open orders is probed."""
    if not orders:
        return "has no open orders; the next one submitted will check it."
    if orders == 1:
        return "is being checked with its only open order."
    others = "other one continues" if orders == 2 else "others continue"  # noqa: PLR2004 - one and another
    return f"is being checked with one order; the {others} once that succeeds."
