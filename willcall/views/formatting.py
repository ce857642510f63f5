"""Times, counts and states as text. All moments are epoch seconds; `now` is the server's clock."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from willcall.orders.ticket_documents import DOCUMENT_WARNING
from willcall.views.accounts import account_trouble

if TYPE_CHECKING:
    from willcall.orders.model import EndedBy, Order, Ticket
    from willcall.schemas.operations import LookResult
    from willcall.stores.accounts import AccountState, ResumeOutcome
    from willcall.stores.document_fetches import FetchProgress
    from willcall.stores.schedule import ExpediteResult

#: Seconds after which something automatic is overdue.
OVERDUE = 30.0
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def format_duration(seconds: float, parts: int = 2) -> str:
    """Return a duration in its `parts` largest units, such as `23 h 59 min`."""
    rest = max(0, round(seconds))
    words = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}")
        if words and (len(words) == parts or not count):
            break
    return " ".join(words) or "0 s"


def format_relative(moment: float, now: float, parts: int = 2) -> str:
    """Return `in 4 s`, `3 min ago` or `now`."""
    distance = moment - now
    if round(distance) == 0:
        return "now"
    words = format_duration(abs(distance), parts)
    return f"in {words}" if distance > 0 else f"{words} ago"


def format_due(moment: float, now: float, parts: int = 2) -> str:
    """Return when something automatic happens: `in 4 s`, `any moment` or `overdue by 3 min`."""
    if moment > now:
        return format_relative(moment, now, parts)
    return f"overdue by {format_duration(now - moment, parts)}" if now - moment > OVERDUE else "any moment"


def format_next_probe(probe_at: float | None, now: float, *, held: bool, beat: bool) -> str | None:
    """Return when a stopped account is probed, or `None` if no probe is planned.

    `held`: whether it has held orders, one of which a sweep releases as the probe. `beat`: whether beat is running.
    """
    if probe_at is None:
        return None
    return probe_condition(probe_at, now, held=held, beat=beat) or format_due(probe_at, now)


def probe_condition(probe_at: float, now: float, *, held: bool, beat: bool) -> str | None:
    """Return what the next probe of a stopped account waits for, other than its time."""
    if held and not beat:
        return "once beat is running"
    return None if held or probe_at > now else "with its next order"


def describe_fetch(fetching: "FetchProgress", now: float) -> str:
    """Return why an order's documents are missing, and when the next download starts."""
    return f"{describe_failed_fetch(fetching)} {format_due(fetching.next_at, now)}"


def describe_failed_fetch(fetching: "FetchProgress") -> str:
    """Return the same without the time of the next download."""
    tried = f"tried {format_count(fetching.tries, 'time')}" if fetching.tries else ""
    why = "; ".join(filter(None, [fetching.why, tried]))
    return f"{why}, next attempt" if why else "first attempt"


def describe_document_warning(ticket: "Ticket") -> str | None:
    """Return how the file of a ticket may be damaged, or `None`."""
    warning = ticket.extra.get(DOCUMENT_WARNING)
    return f"may be damaged: {warning}" if warning else None


def describe_ended_by(by: "EndedBy") -> str:
    """Return who or what ended an order, to follow `ended by`."""
    return {"provider": "the provider", "caller": "its backend", "operator": "an operator"}.get(by, "the deadline")


def describe_resume(resumed: "ResumeOutcome", now: float, override: str | None) -> str:
    """Return the result of resuming an account, to follow its name. `override` says how to ignore a hint."""
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


def describe_first_poll(order: "Order", state: "AccountState") -> str:
    """Return when an order just submitted will be polled first."""
    if state.health.holds_orders:
        return f"{order.account_key} {account_trouble(state).what}, so the order is held until the account recovers"
    at = max(order.submitted_at, order.not_before or 0.0, state.hint_until or 0.0)
    if at <= order.submitted_at:
        return f"{order.account_key} will be polled immediately"
    return f"{order.account_key} will be polled {format_relative(at, order.submitted_at)}, {format_timestamp(at)}"


def describe_expedited_poll(expedited: "ExpediteResult", account_key: str, now: float) -> str:
    """Return when an order will be polled that was expedited, to follow its id."""
    match expedited.outcome.value:
        case "busy":
            return "is being polled now, and will be polled once more afterwards"
        case "held":
            return f"is held, and will be polled as soon as its account {account_key} recovers"
        case "too_late":
            return "cannot be polled again before its deadline"
    when = "now" if expedited.at is None or expedited.at <= now else format_relative(expedited.at, now)
    return f"will be polled {when}" + ("; that is the earliest time allowed" if when != "now" else "")


def format_timestamp(moment: float) -> str:
    """Return a moment in UTC, such as `2026-11-22 10:00:00 UTC`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_count(number: int, noun: str) -> str:
    """Return `1 order`, `2 orders`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def describe_longer_pause(until: float | None) -> str:
    """Return that an account is paused for longer already, to follow its name."""
    end = format_timestamp(until) if until else "resumed"
    return f"is already paused for longer, until {end}. To shorten the pause, resume the account first."


def describe_look(found: "LookResult") -> str:
    """Return what a provider says about a reference, in a sentence or two."""
    of = f" of {found.expected}" if found.expected else ""
    facts = [
        f"HTTP {found.http_status}" if found.http_status else "no response",
        f"status {found.provider_status}" if found.provider_status else None,
        f"{format_count(len(found.tickets), 'ticket')}{of}",
        found.detail,
    ]
    said = "; ".join(dict.fromkeys(filter(None, facts)))
    words = f"{found.provider}/{found.account} says: {found.outcome.replace('_', ' ')} ({said})."
    until = f" No request before {format_timestamp(found.retry_at.timestamp())}." if found.retry_at else ""
    return words + until
