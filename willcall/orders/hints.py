"""How long hints are followed. A hint is the wait that a response asked for (`Retry-After`).

A plausible hint, of up to a day, is followed to the second. A longer one is a mistake of the server, and a fallback
takes its place. What that is depends on what is waiting (an order, an account, a document or a callback), so the
caller passes it. For example, at 12:00:

=====================  ===============================================
`Retry-After: 120`     nothing before 12:02:00
`Retry-After: 0`       no hint: the schedule applies
one year               an order: one attempt at its deadline;
                       an account or a document: again at 13:00
=====================  ===============================================
"""

#: Longest plausible hint, in seconds.
MAX_HINT = 86_400.0
#: Seconds after which a server that sent an implausible hint is tried again, if nothing else ends the wait.
FALLBACK_WAIT = 3_600.0
#: A provider's announced date of issuing is plausible if it is at most this many seconds ahead.
MAX_ANNOUNCEMENT = 400 * 86_400.0


def hint_until(wait: float | None, now: float, *, fallback: float) -> float | None:
    """Return the moment until which a hint holds, or `None` if it asks for no wait.

    `wait` is in seconds from `now`; `fallback` is the moment that replaces an implausible one.

    >>> hint_until(120.0, 1_000.0, fallback=4_600.0)
    1120.0
    >>> hint_until(31_536_000.0, 1_000.0, fallback=4_600.0)
    4600.0
    """
    if wait is None:
        return None
    until = now + wait if is_plausible(wait) else fallback
    return until if until > now else None


def hint_seconds(wait: float | None, *, fallback: float) -> float:
    """Return for how many seconds a hint holds, or 0 if it asks for no wait. `fallback` is in seconds too."""
    return hint_until(wait, 0.0, fallback=fallback) or 0.0


def throttled_until(wait: float | None, now: float, pause: float) -> float:
    """Return until when an account is throttled: without a hint, for `pause` seconds."""
    return hint_until(wait, now, fallback=now + FALLBACK_WAIT) or now + pause


def is_plausible(wait: float) -> bool:
    """Return whether a server can mean a wait of so many seconds."""
    return wait <= MAX_HINT


def announced_until(moment: float | None, now: float) -> float | None:
    """Return the date that a provider announced for issuing, or `None` if it has passed or is implausible."""
    return moment if moment is not None and now < moment <= now + MAX_ANNOUNCEMENT else None
