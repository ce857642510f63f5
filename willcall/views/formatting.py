"""Times and counts in words. All moments are epoch seconds; `now` is the server's clock."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from willcall.orders.ticket_documents import DOCUMENT_WARNING
from willcall.views.accounts import account_trouble

if TYPE_CHECKING:
    from willcall.orders.model import Order, Ticket
    from willcall.stores.accounts import AccountState, ResumeResult
    from willcall.stores.document_fetches import FetchProgress
    from willcall.stores.orders import ExpediteResult

#: Seconds after its moment from which what comes by itself is told to be overdue.
OVERDUE = 30.0
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def format_duration(seconds: float, parts: int = 2) -> str:
    """A duration by its largest units, e.g. `23 h 59 min`; `parts` is how many of them."""
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
    """`in 4 s`, `3 min ago`, or `now`."""
    distance = moment - now
    if round(distance) == 0:
        return "now"
    words = format_duration(abs(distance), parts)
    return f"in {words}" if distance > 0 else f"{words} ago"


def format_due(moment: float, now: float, parts: int = 2) -> str:
    """When something comes by itself: `in 4 s`, `any moment`, `overdue for 3 min`."""
    if moment > now:
        return format_relative(moment, now, parts)
    return f"overdue for {format_duration(now - moment, parts)}" if now - moment > OVERDUE else "any moment"


def format_next_probe(probe_at: float | None, now: float, *, held: bool, beat: bool) -> str | None:
    """When a parked account is tried by itself.

    `held`: whether an order waits to be that try, which a sweep lets go; `beat`: whether one is alive, to start that.
    """
    if probe_at is None:
        return None
    return probe_condition(probe_at, now, held=held, beat=beat) or format_due(probe_at, now)


def probe_condition(probe_at: float, now: float, *, held: bool, beat: bool) -> str | None:
    """What else than its moment the next try of a parked account waits for."""
    if held and not beat:
        return "not before beat runs"
    return None if held or probe_at > now else "with its next order"


def describe_fetch(fetching: "FetchProgress", now: float) -> str:
    """Why an order's documents are missing, and when they are fetched next."""
    return f"{describe_failed_fetch(fetching)} {format_due(fetching.next_at, now)}"


def describe_failed_fetch(fetching: "FetchProgress") -> str:
    """The same up to the moment of the next try."""
    tried = f"tried {format_count(fetching.tries, 'time')}" if fetching.tries else ""
    why = "; ".join(filter(None, [fetching.why, tried]))
    return f"{why}, next try" if why else "first try"


def describe_document_warning(ticket: "Ticket") -> str | None:
    """Say that the file of a ticket may be damaged, and how; None where nothing is known against it."""
    doubt = ticket.extra.get(DOCUMENT_WARNING)
    return f"may be damaged: {doubt}" if doubt else None


def describe_resume(resumed: "ResumeResult", now: float, override: str | None) -> str:
    """Return what is said behind the name of an account that somebody resumed.

    `override`: how a person asks in spite of the provider's hint, at the place where it is read.
    """
    if resumed.until is not None:
        how = f" {override}" if override else ""
        told = "is resumed, but its provider asked to be left alone"
        until = f"{format_timestamp(resumed.until)} ({format_relative(resumed.until, now)})"
        return f"{told} until {until}; nothing is sent sooner.{how}"
    if resumed.probing is not None:
        return _describe_probe(resumed.probing)
    if resumed.released:
        go = "goes" if resumed.released == 1 else "go"
        return f"is resumed; {format_count(resumed.released, 'order')} that waited for it {go} on."
    return "is resumed."


def _describe_probe(orders: int) -> str:
    """Say how an account that is refused or down goes on, which has so many open orders."""
    if not orders:
        return "has no open orders; the next one that is submitted will check it."
    if orders == 1:
        return "is being checked with its only open order."
    others = "other one continues" if orders == 2 else "others continue"  # noqa: PLR2004 - one and another
    return f"is being checked with one order; the {others} once that gets a good answer."


def describe_first_poll(order: "Order", state: "AccountState") -> str:
    """Return when an order that was submitted just now is polled, which its account, as it is, may put off."""
    if state.health.holds_orders:
        return f"{order.account_key} {account_trouble(state).what}, so the order waits until that ends"
    at = max(order.submitted_at, order.not_before or 0.0, state.hint_until or 0.0)
    if at <= order.submitted_at:
        return f"{order.account_key} will be polled immediately"
    return f"{order.account_key} will be polled {format_relative(at, order.submitted_at)}, {format_timestamp(at)}"


def describe_expedited_poll(expedited: "ExpediteResult", account_key: str, now: float) -> str:
    """Return what is said behind an order about which somebody wants to have asked."""
    match expedited.outcome.value:
        case "busy":
            return "is being asked about right now, and will be once more after that"
        case "held":
            return f"waits for its account {account_key} and is asked about as soon as that goes on"
        case "too_late":
            return "may not be asked about any more before its deadline"
    when = "now" if expedited.at is None or expedited.at <= now else format_relative(expedited.at, now)
    return f"is asked about {when}" + ("; no sooner is allowed" if when != "now" else "")


def format_timestamp(moment: float) -> str:
    """The moment in UTC, e.g. `2026-11-22 10:00:00 UTC`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_count(number: int, noun: str) -> str:
    """`1 order`, `2 orders`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def describe_longer_pause(until: float | None) -> str:
    """What is said behind the name of an account that is to be paused, but is for longer already."""
    end = format_timestamp(until) if until else "somebody resumes it"
    return f"was paused for longer, until {end}, and stays so. To shorten that, resume it first."
