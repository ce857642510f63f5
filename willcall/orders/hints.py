"""What a provider's hint may do: it is kept to the second, within limits. Pure.

A hint is the wait that an answer asked for (`Retry-After`). What it holds up (an order, an account, a document, a
callback) says what is done in place of a wait that is not plausible.
"""

#: A hint of up to a day is kept to the second. A longer one is no plausible wait, but a mistake of the server.
MAX_HINT = 86_400.0
#: Seconds until a server that gave no plausible wait is tried again, where nothing else ends the wait.
FALLBACK_WAIT = 3_600.0
#: A date that a provider announces for issuing is believed if it is at most so many seconds ahead.
MAX_ANNOUNCEMENT = 400 * 86_400.0


def hint_until(wait: float | None, now: float, *, fallback: float) -> float | None:
    """Return the moment until which a hint holds, or `None` where it asks for nothing.

    `wait` is in seconds from `now`; `fallback` is the moment that takes the place of a wait that is not plausible.

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
    """Return for how many seconds a hint holds, 0 where it asks for nothing; `fallback` is in seconds too."""
    return hint_until(wait, 0.0, fallback=fallback) or 0.0


def throttled_until(wait: float | None, now: float, pause: float) -> float:
    """Return until when a throttle holds up an account, which without a hint is left alone for `pause` seconds."""
    return hint_until(wait, now, fallback=now + FALLBACK_WAIT) or now + pause


def is_plausible(wait: float) -> bool:
    """Whether a server can mean that it wants to be left alone for so many seconds."""
    return wait <= MAX_HINT


def announced_until(moment: float | None, now: float) -> float | None:
    """Return the date that a provider announced for issuing, unless it has passed or is not plausible."""
    return moment if moment is not None and now < moment <= now + MAX_ANNOUNCEMENT else None
