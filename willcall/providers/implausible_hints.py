"""The log of hints that a server can hardly have meant as they stand."""

import sys
from threading import Lock

import structlog

from willcall.orders.hints import MAX_ANNOUNCEMENT, is_plausible
from willcall.orders.retry_after import RetryAfter

log = structlog.get_logger(__name__)

#: After so many seconds without such a hint of an account, the next one is logged again.
_SILENCE = 86_400.0


class ImplausibleHints:
    """Logs the odd hints and dates of each account: the first of each kind, not each of those that follow it."""

    def __init__(self) -> None:
        """None has come yet."""
        self._lock = Lock()
        self._last: dict[tuple[str, str], float] = {}

    def note(self, account: str, hint: RetryAfter, now: float) -> None:
        """Log a hint that came at `now` (epoch seconds), if it is odd."""
        if not is_plausible(hint.seconds):
            self._log(account, "longer than a day", hint.seconds, now)
        elif hint.epoch:
            self._log(account, "a moment in epoch seconds", hint.seconds, now)

    def note_date(self, account: str, moment: float | None, now: float) -> None:
        """Log the date that a provider announced for issuing, if it is so far ahead that it is ignored."""
        if moment is not None and moment > now + MAX_ANNOUNCEMENT:
            self._log(account, "a date more than 400 days ahead", moment - now, now)

    def _log(self, account: str, kind: str, seconds: float, now: float) -> None:
        with self._lock:
            last = self._last.get((account, kind))
            self._last[account, kind] = now
        if last is None or now - last > _SILENCE:
            log.warning("implausible hint", account=account, hint=kind, seconds=round(min(seconds, sys.maxsize)))
