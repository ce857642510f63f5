"""When something will really happen: a throttle, a pause, an outage or a missing worker may put it off."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from willcall.stores.accounts import AccountHealth
from willcall.views.accounts import account_trouble
from willcall.views.formatting import format_count, format_relative, format_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from willcall.orders.model import Order
    from willcall.providers.base import Account
    from willcall.stores.accounts import AccountState, ResumeOutcome
    from willcall.stores.registry import Stores
    from willcall.stores.schedule import ExpediteResult

_NO_WORKER = "No workers are running, so nothing is polled until one starts."


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the next poll of an account's order depends on, at `now`.

    `state` is `None` for an account that is not configured. `workers`: whether any is running.
    """

    account_key: str
    state: "AccountState | None"
    now: float
    workers: bool

    @property
    def paused(self) -> bool:
        return self.state is not None and self.state.health is AccountHealth.PAUSED


def read_conditions(stores: "Stores", configured: "Mapping[str, Account]", account_key: str) -> Conditions:
    account = configured.get(account_key)
    state = stores.accounts.state(account_key, account.rate) if account else None
    return Conditions(account_key, state, stores.accounts.now(), bool(stores.processes.running("worker")))


def earliest_poll(order: "Order", account: "AccountState | None", *, override: bool = False) -> float | None:
    """Return when an order may be polled at the earliest, or `None` if its account has to recover first."""
    if order.next_poll_at is None or (account and account.health.holds_orders):
        return None
    return order.next_poll_at if override else max(order.next_poll_at, _hint_until(account))


def describe_first_poll(order: "Order", conditions: Conditions) -> str:
    """Return when an order just submitted will be polled first."""
    state, key = conditions.state, conditions.account_key
    if state and state.health.holds_orders:
        until = "it is resumed" if conditions.paused else "the account recovers"
        return f"{key} {account_trouble(state).what}, so the order is held until {until}"
    at = max(order.submitted_at, order.not_before or 0.0, _hint_until(conditions.state))
    if not conditions.workers:
        return f"{key} will be polled once a worker is running"
    if at <= order.submitted_at:
        return f"{key} will be polled immediately"
    return f"{key} will be polled {format_relative(at, order.submitted_at)}, {format_timestamp(at)}"


def describe_expedited_poll(expedited: "ExpediteResult", conditions: Conditions, *, override: bool = False) -> str:
    """Return when an order will be polled that was expedited, to follow its id. `override`: in spite of a hint."""
    match expedited.outcome.value:
        case "busy":
            return "is being polled now, and will be polled once more afterwards"
        case "held" if conditions.paused:
            return f"is held, and will be polled once its account {conditions.account_key} is resumed"
        case "held":
            return f"is held, and will be polled as soon as its account {conditions.account_key} recovers"
        case "too_late":
            return "cannot be polled again before its deadline"
    now = conditions.now
    at = max(expedited.at or now, 0.0 if override else _hint_until(conditions.state))
    when = "now" if at <= now else format_relative(at, now)
    if not conditions.workers:
        earliest = "" if when == "now" else f", not before {format_timestamp(at)}"
        return f"will be polled once a worker is running{earliest}"
    return f"will be polled {when}" + ("" if when == "now" else "; that is the earliest time allowed")


def describe_resume(resumed: "ResumeOutcome", conditions: Conditions, override: str) -> str:
    """Return the result of resuming an account, to follow its name. `override` says how to ignore a hint."""
    result = _describe_resumed(resumed, conditions.now, override)
    return result if conditions.workers else f"{result} {_NO_WORKER}"


def _hint_until(account: "AccountState | None") -> float:
    return (account.hint_until if account else None) or 0.0


def _describe_resumed(resumed: "ResumeOutcome", now: float, override: str) -> str:
    if resumed.until is not None:
        until = f"{format_timestamp(resumed.until)} ({format_relative(resumed.until, now)})"
        return f"is resumed, but its provider allows no request until {until}. {override}"
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
