"""Log implausible wait hints and dates."""

import sys
from threading import Lock

import structlog

from willcall.orders.hints import MAX_ANNOUNCEMENT, is_plausible
from willcall.orders.retry_after import RetryAfter

log = structlog.get_logger(__name__)

#: Seconds without such a hint after which the next one is logged again.
_SILENCE = 86_400.0


class ImplausibleHints:
    """Logs the first implausible hint per kind and account, and again after a day without any."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: dict[tuple[str, str], float] = {}

    def check(self, account: str, hint: RetryAfter, now: float) -> None:
        """Log a hint received at `now` (epoch seconds) if it is implausible."""
        if not is_plausible(hint.seconds):
            self._log(account, "longer than a day", hint.seconds, now)
        elif hint.epoch:
            self._log(account, "a moment in epoch seconds", hint.seconds, now)

    def check_date(self, account: str, moment: float | None, now: float) -> None:
        """Log the date that a provider announced for issuing if it is so far ahead that it is ignored."""
        if moment is not None and moment > now + MAX_ANNOUNCEMENT:
            self._log(account, "a date more than 400 days ahead", moment - now, now)

    def _log(self, account: str, kind: str, seconds: float, now: float) -> None:
        with self._lock:
            last = self._last.get((account, kind))
            self._last[account, kind] = now
        if last is None or now - last > _SILENCE:
            log.warning("implausible hint", account=account, hint=kind, seconds=round(min(seconds, sys.maxsize)))
