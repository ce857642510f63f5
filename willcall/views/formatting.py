"""Times, counts and states as text. All moments are epoch seconds; `now` is the server's clock."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from willcall.orders.ticket_documents import DOCUMENT_WARNING

if TYPE_CHECKING:
    from willcall.orders.model import EndedBy, Ticket
    from willcall.schemas.operations import LookResult
    from willcall.stores.document_fetches import FetchProgress

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
