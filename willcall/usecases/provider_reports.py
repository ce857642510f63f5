"""Report to a provider how an order ended, until the provider takes it or it is given up."""

from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from willcall.http.messages import Response
from willcall.orders.hints import FALLBACK_WAIT, hint_seconds
from willcall.orders.model import Attempt
from willcall.orders.outcomes import Malformed, Outcome, Throttled, outcome_name
from willcall.providers.base import Account
from willcall.providers.reading import retry_after
from willcall.providers.reports import OrderEnd, OrderReports
from willcall.stores.bookings import BookingKind
from willcall.stores.operator_events import OperatorAlert
from willcall.stores.provider_reports import ReportClaim
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.alerts import order_alert, send_alert
from willcall.usecases.authorize import Authorization, RetrySoon, authorize
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation
from willcall.usecases.tokens import NoToken, take_token

log = structlog.get_logger(__name__)

#: Seconds until the second try. Each further wait is four times as long, up to the longest.
FIRST_WAIT, _GROWTH, _LONGEST_WAIT = 60.0, 4, 6 * 3_600.0
#: Seconds after the order's end after which its report is given up.
GIVE_UP = 3 * 86_400.0
#: Seconds for which a report waits for its token, and until it is tried again without one.
_TOKEN_PATIENCE, _NO_TOKEN_WAIT = 2.0, 60.0
#: Seconds beyond the request after which a sweep counts as dead, and the report is due again.
_LEASE_MARGIN = 30.0
#: Outcomes of the entries in the order's timeline.
_REPORTED, _FAILED = "reported", "report_failed"
_NOT_TAKEN = "The provider does not know how this order ended: it did not take our report."


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a report was not taken. `wait`: seconds that the provider asked us to wait."""

    why: str
    http_status: int | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Nothing was sent: there is no token. `wait` is the seconds until there may be one."""

    wait: float


@dataclass(slots=True)
class Reporter:
    """Sends reports, one after another. An account that failed once gets no further request in the same run."""

    context: Context
    _failed: set[str] = field(default_factory=set)

    def report(self, order_id: str) -> bool:
        """Report the end of an order if that is due. Returns whether the provider took it.

        A report is claimed before it is sent. If this process dies afterwards, it is sent once more.
        """
        claim = self._claim(order_id)
        if claim is None:
            return False
        account = self.context.accounts.get(claim.order.account_key)
        reports = account.adapter.reports if account else None
        end = OrderEnd.of(claim.order)
        word = reports.report_word(end, account.credentials) if account and reports else None
        if account is None or reports is None or word is None or end.status.value != claim.status:
            self.context.stores.reports.record(claim, None)
            return False
        if account.key in self._failed:
            self.context.stores.reports.record(claim, _NO_TOKEN_WAIT, tried=False)
            return False
        result = self._send(account, reports, end, word)
        return self._settle(claim, account, word, result)

    def _claim(self, order_id: str) -> ReportClaim | None:
        longest = max((account.http.total_timeout for account in self.context.accounts.values()), default=0.0)
        return self.context.stores.reports.claim(order_id, 2 * longest + _LEASE_MARGIN)

    def _send(self, account: Account, reports: OrderReports, end: OrderEnd, word: str) -> int | _Failure | _Waiting:
        """Send the report with a token of its account. Returns the HTTP status, or why it was not taken."""
        token = take_token(self.context, account, BookingKind.LIST, "reports", _TOKEN_PATIENCE)
        if isinstance(token, NoToken):
            return _Waiting(_NO_TOKEN_WAIT if token.wait is None else token.wait)
        authorization = authorize(self.context, account, token.claimed)
        if isinstance(authorization, RetrySoon) or self.context.throttles.blocks(account.bucket, token.claimed):
            return _Waiting(_NO_TOKEN_WAIT)
        if not isinstance(authorization, Authorization):
            return self._failure(account, authorization, None)
        request = reports.report_request(end, word, account.credentials, authorization.token)
        response = self.context.exchange(account, request)
        if not isinstance(response, Response):
            return self._failure(account, response, None)
        outcome: Any = guarded(
            self.context, Operation.ATTEMPT, lambda: reports.read_report(response), account=account.key
        )
        return response.status if outcome is None else self._failure(account, outcome, response)

    def _failure(self, account: Account, outcome: Outcome, response: Response | None) -> _Failure:
        status = response.status if response else None
        hint = outcome.retry_after or (retry_after(response) if response else None)
        if isinstance(outcome, Throttled):
            now = self.context.stores.accounts.now()
            report_throttle(self.context, account, hint, now, why=str(status or 429))
        name = outcome_name(outcome)
        why = f"{name}: {outcome.detail}" if outcome.detail or isinstance(outcome, Malformed) else name
        return _Failure(why, status, hint_seconds(hint, fallback=FALLBACK_WAIT))

    def _settle(self, claim: ReportClaim, account: Account, word: str, result: int | _Failure | _Waiting) -> bool:
        store, order_id = self.context.stores.reports, claim.order.id
        if isinstance(result, _Waiting):
            self._failed.add(account.key)
            store.record(claim, result.wait, tried=False)
            return False
        if isinstance(result, int):
            entry = Attempt(claim.now, _REPORTED, result, None, f"the provider now has it as {word}")
            store.record(claim, None, entry)
            log.info("reported", order=order_id, account=account.key, word=word)
            return True
        self._failed.add(account.key)
        self._retry(claim, account, word, result)
        return False

    def _retry(self, claim: ReportClaim, account: Account, word: str, failure: _Failure) -> None:
        """Try again later, or give up and alert operators."""
        order_id = claim.order.id
        wait = self._wait(claim, failure)
        rest = "given up" if wait is None else f"again in {wait:,.0f} s"
        entry = Attempt(claim.now, _FAILED, failure.http_status, None, f"{word} was not taken ({failure.why}); {rest}")
        alert = self._alert(claim, word, failure) if wait is None else None
        recorded = self.context.stores.reports.record(claim, wait, entry, alert=alert)
        log.warning("report failed", order=order_id, account=account.key, why=failure.why, given_up=wait is None)
        if recorded and alert:
            send_alert(self.context, alert)

    def _wait(self, claim: ReportClaim, failure: _Failure) -> float | None:
        """Return the seconds until the next try, or None if that would be too late."""
        grown = min(FIRST_WAIT * _GROWTH ** min(claim.tries, 10), _LONGEST_WAIT)
        wait = max(grown * (1 + self.context.rng.uniform(0.0, 0.1)), failure.wait or 0.0)
        return wait if claim.now + wait <= claim.since + GIVE_UP else None

    def _alert(self, claim: ReportClaim, word: str, failure: _Failure) -> OperatorAlert:
        alert = order_alert(self.context, claim.order)
        report = {"why": f"{_NOT_TAKEN} Last failure: {failure.why}.", "what_to_do": f"Set it to {word} there."}
        return replace(alert, order={**(alert.order or {}), "report": report})
