"""One request to a provider, from its arrival to the end of its response."""

from collections.abc import Iterable
from http import HTTPStatus

from willcall.simulator.accounts import SimulatedAccount, SimulatedOrder
from willcall.simulator.faults import UNKNOWN_WORD, apply_fault, gateway_page, token_failure
from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse, Transmission
from willcall.simulator.ledger import AuthResult, LedgerEntry
from willcall.simulator.order_status import FINAL, SimulatedStatus, combined_status
from willcall.simulator.providers.base import OrderSnapshot, Provider, RouteMatch
from willcall.simulator.script import Fault, SlowFault
from willcall.simulator.state import SimulatorState

#: Seconds by which a request may be early, as clocks and floats are rounded.
SLACK = 0.005

#: The longest `Retry-After` that a client must honour, and what it must wait where an account's is longer (seconds).
LONGEST_HINT, REPLACEMENT_HINT = 86_400.0, 3_600.0

#: How long an account that is down with "hang" does not respond: longer than any client waits.
HANG_SECONDS = 3600.0

#: Statuses whose `Retry-After` stops the whole account.
THROTTLING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN})


class RequestHandler:
    """Created when a request arrives. Wait `delay`, send `response()`, call `mark_sent()`, and always `close()`."""

    def __init__(self, state: SimulatorState, provider: Provider, request: SimulatedRequest) -> None:
        self._state = state
        self._provider = provider
        self._request = request
        self._route = provider.match_route(request)
        self._response: SimulatedResponse | None = None
        self._shown: list[tuple[SimulatedOrder, SimulatedStatus]] = []
        self._hint = 0.0
        arrived = state.clock()
        credential = state.find_credential(provider.name, self._route.key)
        self._account = credential.account if credential else None
        auth: AuthResult = "wrong"
        if credential:
            lapsed = credential.expires_at is not None and credential.expires_at <= arrived
            auth = _authorize(credential.account, self._route, credential.scope, lapsed=lapsed)
        self._order = self._find() if auth == "ok" and self._route.kind != "details" else None
        self._down = self._account.script.down if self._account else None
        self._fault = self._next_fault() if auth == "ok" and not self._down else None
        self.entry = LedgerEntry(
            number=state.ledger.next_number(),
            arrived=arrived,
            provider=provider.name,
            kind=self._route.kind,
            reference=self._route.reference,
            account=self._account.script.name if self._account else None,
            auth=auth,
            fault="down" if self._down else self._fault.do if self._fault else None,
        )
        self._record_limits()
        state.ledger.add(self.entry)

    @property
    def delay(self) -> float:
        """Seconds to wait before the response."""
        if self._down == "hang":
            return HANG_SECONDS
        return self._fault.seconds if isinstance(self._fault, SlowFault) and self._fault.do == "hang" else 0.0

    def response(self) -> SimulatedResponse:
        """Return the response to send now."""
        response = self._response = self._decide()
        self.entry.status, self.entry.order_status = response.status or None, response.order_status
        return response

    def mark_sent(self) -> None:
        """Record that the response was sent in full, so its statuses are reported and its hint holds."""
        response = self._response
        if response is None:
            return
        now = self._state.clock()
        until = _allowed_from(response, now)
        if response.status in THROTTLING and self._account and until:
            self._account.throttle(now, until)
        else:
            self._hint = until
        if response.order_status:
            for order, status in self._shown:
                order.reported.add(status)
            if self._order:
                self._order.reported.add(response.order_status)

    def close(self) -> None:
        """Finish the ledger entry and set when the next request for the order is allowed."""
        order, account = self._order, self._account
        if order and account:
            order.in_flight -= 1
            if self.entry.status != HTTPStatus.UNAUTHORIZED:
                order.allowed_at = max(self.entry.arrived + account.script.least_interval, self._hint)
        elif account and self._hint:
            account.allowed_at[self.entry.kind] = self._hint
        self._state.ledger.finish(self.entry, self._state.clock())

    def _next_fault(self) -> Fault | None:
        if self._order:
            return self._order.next_fault()
        return self._account.next_fault(self._route.kind) if self._account else None

    def _find(self) -> SimulatedOrder | None:
        reference = self._route.reference
        if self._route.kind == "report":  # a poll of the order may be under way, and sets no time for it
            return None
        return self._account.find(reference) if self._account and reference else None

    def _record_limits(self) -> None:
        """Record what the provider allowed on arrival, and by how much the request exceeds it."""
        entry, order, account = self.entry, self._order, self._account
        if account is None:
            return
        throttled = None if entry.kind == "token" else account.throttled_until(entry.arrived, self._state.grace)
        own = order.allowed_at if order else account.allowed_at.get(entry.kind)
        allowed = [at for at in (throttled, own) if at is not None]
        entry.allowed_at = max(allowed, default=None)
        early = entry.allowed_at - entry.arrived if entry.allowed_at is not None else 0.0
        entry.too_early_by = early if early > SLACK else 0.0
        if account.rate_meter and entry.kind in {"status", "details", "report"}:
            entry.overshoot = account.rate_meter.take(entry.arrived)
        if order:
            entry.in_flight = order.in_flight
            entry.after_final = not FINAL.isdisjoint(order.reported)
            order.in_flight += 1
            order.requests += 1

    def _decide(self) -> SimulatedResponse:
        account, provider, kind = self._account, self._provider, self.entry.kind
        if account is None or self._down or self.entry.auth != "ok":
            return self._error()
        if kind == "token":
            if account.script.token_down:
                return token_failure(account.script.token_down, provider)
            return self._with_fault(provider.token_response(self._state.issue_token(account), account.script))
        others = {
            "list": self._list,
            "report": self._report,
            "details": self._details,
            "checkout": self._check_out,
        }
        if kind in others:
            return others[kind](account)
        return self._status(account, self._order) if self._order else provider.error_response(HTTPStatus.NOT_FOUND)

    def _error(self) -> SimulatedResponse:
        """Return the error for unknown credentials, an account that is down, or one without permission."""
        if self._account is None:
            return self._provider.error_response(self._provider.unknown_status)
        if self._down == "reset":
            return SimulatedResponse(0, transmission=Transmission.RESET)
        if self._down in {"gateway", "html"}:
            return gateway_page(HTTPStatus.FORBIDDEN if self._down == "gateway" else HTTPStatus.OK)
        if self._down:
            return self._provider.error_response(HTTPStatus.SERVICE_UNAVAILABLE)
        forbidden = self.entry.auth == "forbidden"
        return self._provider.error_response(HTTPStatus.FORBIDDEN if forbidden else HTTPStatus.UNAUTHORIZED)

    def _check_out(self, account: SimulatedAccount) -> SimulatedResponse:
        """Create the order of a cart, which is paid some time later."""
        script = self._provider.new_order(self._request, account.script)
        if script is None:
            return self._provider.error_response(HTTPStatus.BAD_REQUEST)
        self._state.add_orders([script])
        return self._with_fault(self._provider.checkout_response(script, self._request))

    def _report(self, account: SimulatedAccount) -> SimulatedResponse:
        """Return the response to a request that sets an order's status."""
        order = account.find(self._route.reference or "")
        if order is None:
            return self._provider.error_response(HTTPStatus.NOT_FOUND)
        snapshot = order.snapshot(self._state.clock(), self._request.origin, None)
        response, self.entry.reported_word = self._provider.report_response(self._request, snapshot)
        return response

    def _list(self, account: SimulatedAccount) -> SimulatedResponse:
        """Return the response to a request for the account's orders."""
        response, listed = self._provider.list_response(
            self._request, self._snapshots(account.orders.values()), account.script.list_page_size
        )
        references = {snapshot.order.reference for snapshot in listed}
        self._shown = [(order, status) for order, status in self._shown if order.script.reference in references]
        response.order_status = combined_status([snapshot.status for snapshot in listed]) if listed else None
        return self._with_fault(response)

    def _details(self, _account: SimulatedAccount) -> SimulatedResponse:
        """Return the response to a further request of an attempt."""
        order = self._find()
        snapshots = self._snapshots([order]) if order else []
        self._shown = []
        if not snapshots:
            return self._provider.error_response(HTTPStatus.NOT_FOUND)
        return self._provider.details_response(snapshots[0])

    def _status(self, account: SimulatedAccount, order: SimulatedOrder) -> SimulatedResponse:
        """Return the response to a status request."""
        fault = self._fault
        unknown = fault is not None and fault.do == "unknown_word"
        members = account.orders_of_user(order.script.reference) or [order]
        snapshots = self._snapshots(members, UNKNOWN_WORD if unknown else None)
        response = self._provider.order_response(self._route, snapshots)
        shown = {snapshot.order.reference for snapshot in self._provider.shown_on(self._route, snapshots)}
        self._shown = [(each, status) for each, status in self._shown if each.script.reference in shown]
        if not unknown:
            response.order_status = combined_status([snapshot.status for snapshot in snapshots])
        if fault is not None and fault.do == "token_expired":
            self._state.expire_tokens(account)
        return self._with_fault(response)

    def _with_fault(self, response: SimulatedResponse) -> SimulatedResponse:
        return apply_fault(self._fault, response, self._provider, self._state.clock()) if self._fault else response

    def _snapshots(self, orders: Iterable[SimulatedOrder], word: str | None = None) -> list[OrderSnapshot]:
        """Return the orders as they are now, and remember that this response shows them."""
        now, origin = self._state.clock(), self._request.origin
        snapshots = []
        for order in orders:
            snapshot = order.snapshot(now, origin, word)
            snapshots.append(snapshot)
            self._shown.append((order, snapshot.status))
        return snapshots


def _authorize(account: SimulatedAccount, route: RouteMatch, scope: str, *, lapsed: bool) -> AuthResult:
    """Return whether an account's credentials permit the request."""
    if lapsed or account.script.revoked:
        return "unauthorized"
    dialect = account.script.token_auth
    if route.kind == "token" and dialect and route.key != account.provider.token_keys(account.credentials)[dialect]:
        return "unauthorized"
    wrong_scope = route.scope is not None and route.scope != scope
    return "forbidden" if account.script.forbidden or wrong_scope else "ok"


def _allowed_from(response: SimulatedResponse, now: float) -> float:
    """Return when (epoch) the next request is allowed, 0 if the response sets no time.

    A client may ignore a wait of more than a day, except that it must wait an hour after a 429.
    """
    until = max(0.0 if response.retry_after is None else now + response.retry_after, response.not_before or 0.0)
    if until <= now + LONGEST_HINT or "Retry-After" not in response.headers:
        return until
    return now + REPLACEMENT_HINT if response.status in THROTTLING else 0.0
