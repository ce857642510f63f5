"""When a call that was not answered is repeated, and for how long."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import uniform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from willcall_client.api_errors import UnavailableError

#: Seconds before the first retry; doubled each time.
FIRST_WAIT = 0.2
#: A retry has at least this long, even if its call began almost `patience` seconds ago.
SHORTEST_TIMEOUT = 1.0
#: Longer waits are cut to this: a year.
MAX_WAIT = 366 * 86_400.0
_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


class Retries:
    """The retries of one call that began at `now`: they end `patience` seconds later."""

    def __init__(self, patience: float, timeout: float, now: float) -> None:
        self._end = now + patience
        self._timeout = timeout
        self._wait = FIRST_WAIT
        self._failed = False

    def timeout(self, now: float) -> float:
        """Return the seconds that the next attempt may take."""
        return min(self._timeout, max(self._end - now, SHORTEST_TIMEOUT)) if self._failed else self._timeout

    def pause(self, failure: UnavailableError, now: float) -> float:
        """Return the seconds until the next attempt. Raises `failure` if that would be too late."""
        wait = max(self._wait, failure.retry_after or 0.0)
        if now + wait > self._end:
            raise failure
        self._failed = True
        self._wait *= 2
        spread = uniform(1.0, 1.1)  # noqa: S311 - spreads clients that failed together
        return min(wait * spread, self._end - now)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a response asks to wait, given as a number or an HTTP date; `None` without them.

    A date counts from the response's own `Date`, as the server's clock may differ from ours.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_WAIT)
    until = _http_date(text)
    if until is None:
        return None
    start = _http_date(headers.get("date", "")) or now or datetime.now(timezone.utc)
    return min(max((until - start).total_seconds(), 0.0), MAX_WAIT)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
