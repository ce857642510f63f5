"""Parse `Retry-After`, in the forms of the RFC and in others that servers send.

https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Longer waits are cut to this, which keeps arithmetic finite. It is implausible, so it is never followed.
MAX_WAIT = 366 * 86_400.0

#: Longer texts are not dates, and more values than this are ignored.
_LONGEST_DATE = 100
_MOST_VALUES = 20

#: Possessive quantifiers, so that no header causes backtracking.
_NUMBER = r"(?:\d++(?:\.\d*+)?|\.\d++)"
#: `120`, `1.5`, `120s`, `2 minutes`, `1m30s`, `PT2M`: a number without a unit is seconds.
_DURATION = re.compile(
    rf"(?:PT)?(?:({_NUMBER}) ?h(?:ours?)?)? ?"
    rf"(?:({_NUMBER}) ?m(?:in(?:ute)?s?)?)? ?"
    rf"(?:({_NUMBER}) ?(?:s(?:ec(?:ond)?s?)?)?)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS = (3_600.0, 60.0, 1.0)
_PLAIN_NUMBER = re.compile(rf"\+?{_NUMBER}", re.ASCII)

#: A comma ends a value of the list, unless it follows the name of the day that a date begins with.
_SEPARATOR = re.compile(r"(?<!mon)(?<!tue)(?<!wed)(?<!thu)(?<!fri)(?<!sat)(?<!sun)(?<!day)\s*,\s*", re.IGNORECASE)

#: Numbers from here on may be moments: epoch seconds of 2001 and later, which as waits would be 31 years and more.
_FIRST_EPOCH = 1_000_000_000.0
#: What an epoch is counted in: seconds, milliseconds.
_EPOCH_UNITS = (1.0, 1_000.0)


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """A wait of `seconds` from the moment of receipt. `epoch`: it was given as a moment in epoch (milli)seconds."""

    seconds: float
    epoch: bool = False


def parse_retry_after(value: str | None, now: float, date: str | None = None) -> RetryAfter | None:
    """Return the longest wait that the header asks for, or `None` without a readable one.

    `value` is all lines of the header, joined by commas; `now` is the time of receipt (epoch seconds). A moment counts
    from the response's own `date` if that is readable, because the server's clock may differ from ours. A moment in the
    past is a wait of 0. A negative number or garbage is `None`, so that the caller's own back-off applies.

    Example, received at 12:00:00: `120`, `2m` and `Mon, 30 Nov 2026 12:02:00 GMT` are 120 s each; if the response is
    dated 12:01:00, the date is 60 s. `30, 120` is 120 s. `-5` and `soon` are `None`.
    """
    if value is None:
        return None
    base = None if date is None else _moment(date)
    waits = (_wait(part, now if base is None else base) for part in _values(value))
    return max((wait for wait in waits if wait), key=lambda wait: wait.seconds, default=None)


def retry_after_from(headers: Mapping[str, str], received_at: float) -> RetryAfter | None:
    """Return the wait that a response with these headers (names in lower case) asks for."""
    return parse_retry_after(headers.get("retry-after"), received_at, headers.get("date"))


def retry_after_seconds(headers: Mapping[str, str], received_at: float) -> float | None:
    """Return the wait in seconds that a response with these headers asks for."""
    wait = retry_after_from(headers, received_at)
    return wait.seconds if wait else None


def _values(text: str) -> Iterator[str]:
    for part in _SEPARATOR.split(text, maxsplit=_MOST_VALUES)[:_MOST_VALUES]:
        yield part.strip("\"' \t")


def _wait(text: str, base: float) -> RetryAfter | None:
    if _PLAIN_NUMBER.fullmatch(text):
        return _number(float(text), base)
    parts = _DURATION.fullmatch(text)
    if parts and any(parts.groups()):
        seconds = sum(float(part) * unit for part, unit in zip(parts.groups(), _UNITS, strict=True) if part)
        return RetryAfter(min(seconds, MAX_WAIT))
    moment = _moment(text)
    return None if moment is None else RetryAfter(min(max(moment - base, 0.0), MAX_WAIT))


def _number(number: float, base: float) -> RetryAfter:
    """Return a number as seconds, or as an epoch if that is within a year from `base`."""
    for unit in _EPOCH_UNITS:
        moment = number / unit
        if moment >= _FIRST_EPOCH and abs(moment - base) <= MAX_WAIT:
            return RetryAfter(max(moment - base, 0.0), epoch=True)
    return RetryAfter(min(number, MAX_WAIT))


def _moment(text: str) -> float | None:
    """Return the epoch seconds of a date in one of HTTP's three forms or in ISO 8601; without a zone it is UTC."""
    if len(text) > _LONGEST_DATE:
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = read(text)
            moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
        if math.isfinite(moment):
            return moment
    return None
