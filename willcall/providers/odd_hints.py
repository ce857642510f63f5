"""The log of hints that a server can hardly have meant as they stand."""

from threading import Lock

import structlog

from willcall.orders.hints import plausible
from willcall.orders.retry_after import RetryAfter

log = structlog.get_logger(__name__)

#: After so many seconds without such a hint of an account, the next one is logged again.
_SILENCE = 86_400.0


class OddHints:
    """Logs the odd hints of each account: the first one, not each of those that follow it."""

    def __init__(self) -> None:
        """None has come yet."""
        self._lock = Lock()
        self._last: dict[tuple[str, str], float] = {}

    def note(self, account: str, hint: RetryAfter, now: float) -> None:
        """Log a hint that came at `now` (epoch seconds), if it is odd and the first of its kind."""
        if not plausible(hint.seconds):
            kind = "longer than a day"
        elif hint.epoch:
            kind = "a moment in epoch seconds"
        else:
            return
        with self._lock:
            last = self._last.get((account, kind))
            self._last[account, kind] = now
        if last is None or now - last > _SILENCE:
            log.warning("odd hint", account=account, hint=kind, seconds=round(hint.seconds))
