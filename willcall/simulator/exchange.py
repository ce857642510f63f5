"""One request from its arrival to its answer: who asks, what for, was it allowed, what is said."""

from collections.abc import Iterable
from http import HTTPStatus

from willcall.simulator.accounts import Account, Order
from willcall.simulator.faults import UNKNOWN_WORD, gateway_page, spoil, token_trouble
from willcall.simulator.ledger import Auth, Entry
from willcall.simulator.phases import FINAL, Phase, overall
from willcall.simulator.providers.base import Provider, Target, View
from willcall.simulator.script import Fault, SlowFault
from willcall.simulator.wire import Answer, Call, Manner
from willcall.simulator.world import World

#: Clocks and floats round: earlier by no more than this (seconds) is not early.
SLACK = 0.005

#: Seconds of a `Retry-After` that a client has to believe, and for which it must not ask where that is longer.
LONGEST_HINT, SUBSTITUTE = 86_400.0, 3_600.0

#: How long an account that is down by silence keeps silent: beyond any client's patience.
FOR_EVER = 3600.0

#: Statuses whose `Retry-After` stops the whole account.
THROTTLING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.FORBIDDEN})


class Exchange:
    """Made when a request arrives; keep the `silence`, send the `answer`, say `sent`; `close` in any case."""

    def __init__(self, world: World, provider: Provider, call: Call) -> None:
        self._world = world
        self._provider = provider
        self._call = call
        self._target = provider.route(call)
        self._answer: Answer | None = None
        self._shown: list[tuple[Order, Phase]] = []
        self._hint = 0.0
        arrived = world.clock()
        grant = world.grant(provider.name, self._target.key)
        self._account = grant.account if grant else None
        auth: Auth = "wrong"
        if grant:
            lapsed = grant.expires_at is not None and grant.expires_at <= arrived
            auth = _authorise(grant.account, self._target, grant.scope, lapsed=lapsed)
        self._order = self._find() if auth == "ok" else None
        self._down = self._account.script.down if self._account else None
        self._fault = self._next_fault() if auth == "ok" and not self._down else None
        self.entry = Entry(
            number=world.ledger.next_number(),
            arrived=arrived,
            provider=provider.name,
            kind=self._target.kind,
            reference=self._target.reference,
            account=self._account.script.name if self._account else None,
            auth=auth,
            fault="down" if self._down else self._fault.do if self._fault else None,
        )
        self._note_what_was_allowed()
        world.ledger.add(self.entry)

    @property
    def silence(self) -> float:
        """Seconds to let pass before the answer."""
        if self._down == "hang":
            return FOR_EVER
        return self._fault.seconds if isinstance(self._fault, SlowFault) and self._fault.do == "hang" else 0.0

    def answer(self) -> Answer:
        """What to say now."""
        answer = self._answer = self._decide()
        self.entry.status, self.entry.phase = answer.status or None, answer.phase
        return answer

    def sent(self) -> None:
        """Note that the whole answer went out: what it says has been told, what it asks for holds."""
        answer = self._answer
        if answer is None:
            return
        now = self._world.clock()
        until = _allowed_from(answer, now)
        if answer.status in THROTTLING and self._account and until:
            self._account.throttle(now, until)
        else:
            self._hint = until
        if answer.phase:
            for order, phase in self._shown:
                order.told.add(phase)
            if self._order:
                self._order.told.add(answer.phase)

    def close(self) -> None:
        """Finish the entry and set when the order may be asked for again."""
        order, account = self._order, self._account
        if order and account:
            order.in_flight -= 1
            if self.entry.status != HTTPStatus.UNAUTHORIZED:
                order.allowed_at = max(self.entry.arrived + account.script.least_interval, self._hint)
        elif account and self._hint:
            account.allowed_at[self.entry.kind] = self._hint
        self._world.ledger.finish(self.entry, self._world.clock())

    def _next_fault(self) -> Fault | None:
        if self._order:
            return self._order.next_fault()
        return self._account.next_fault(self._target.kind) if self._account else None

    def _find(self) -> Order | None:
        reference = self._target.reference
        return self._account.find(reference) if self._account and reference else None

    def _note_what_was_allowed(self) -> None:
        """Fill in the entry's half that is known on arrival."""
        entry, order, account = self.entry, self._order, self._account
        if account is None:
            return
        held = None if entry.kind == "token" else account.held_until(entry.arrived, self._world.grace)
        own = order.allowed_at if order else account.allowed_at.get(entry.kind)
        allowed = [at for at in (held, own) if at is not None]
        entry.allowed_at = max(allowed, default=None)
        early = entry.allowed_at - entry.arrived if entry.allowed_at is not None else 0.0
        entry.too_early_by = early if early > SLACK else 0.0
        if account.bucket and entry.kind == "status":
            entry.overshoot = account.bucket.take(entry.arrived)
        if order:
            entry.in_flight = order.in_flight
            entry.after_final = not FINAL.isdisjoint(order.told)
            order.in_flight += 1
            order.asked += 1

    def _decide(self) -> Answer:
        account, provider, kind = self._account, self._provider, self.entry.kind
        if account is None or self._down or self.entry.auth != "ok":
            return self._refusal()
        if kind == "token":
            if account.script.token_down:
                return token_trouble(account.script.token_down, provider)
            return self._spoilt(provider.granted(self._world.issue_token(account), account.script))
        if kind == "list":
            return self._spoilt(self._list(account))
        return self._status(account, self._order) if self._order else provider.error(HTTPStatus.NOT_FOUND)

    def _refusal(self) -> Answer:
        """Nobody's credentials, an account that does not work, or one that may not do this."""
        if self._account is None:
            return self._provider.error(self._provider.unknown_status)
        if self._down == "reset":
            return Answer(0, manner=Manner.RESET)
        if self._down in {"gateway", "html"}:
            return gateway_page(HTTPStatus.FORBIDDEN if self._down == "gateway" else HTTPStatus.OK)
        if self._down:
            return self._provider.error(HTTPStatus.SERVICE_UNAVAILABLE)
        forbidden = self.entry.auth == "forbidden"
        return self._provider.error(HTTPStatus.FORBIDDEN if forbidden else HTTPStatus.UNAUTHORIZED)

    def _list(self, account: Account) -> Answer:
        """The account's orders, or those of them that the call wants."""
        answer, listed = self._provider.listing(self._call, self._views(account.orders.values()))
        references = {view.order.reference for view in listed}
        self._shown = [(order, phase) for order, phase in self._shown if order.script.reference in references]
        answer.phase = overall([view.phase for view in listed]) if listed else None
        return answer

    def _status(self, account: Account, order: Order) -> Answer:
        """What time has made of the order, or what the script's fault makes of that."""
        fault = self._fault
        unknown = fault is not None and fault.do == "unknown_word"
        members = account.members(order.script.reference) or [order]
        views = self._views(members, UNKNOWN_WORD if unknown else None)
        answer = self._provider.show(self._target, views)
        if not unknown:
            answer.phase = overall([view.phase for view in views])
        if fault is not None and fault.do == "token_expired":
            self._world.expire_tokens(account)
        return self._spoilt(answer)

    def _spoilt(self, answer: Answer) -> Answer:
        """What is sent in place of the usual answer, which may be that."""
        return spoil(self._fault, answer, self._provider, self._world.clock()) if self._fault else answer

    def _views(self, orders: Iterable[Order], word: str | None = None) -> list[View]:
        """The orders as they stand now; remembered as what this exchange shows."""
        now, origin = self._world.clock(), self._call.origin
        views = []
        for order in orders:
            view = order.view(now, origin, word)
            views.append(view)
            self._shown.append((order, view.phase))
        return views


def _authorise(account: Account, target: Target, scope: str, *, lapsed: bool) -> Auth:
    """Whether credentials that belong to an account may do this."""
    if lapsed or account.script.revoked:
        return "unauthorized"
    dialect = account.script.token_auth
    if target.kind == "token" and dialect and target.key != account.provider.token_keys(account.credentials)[dialect]:
        return "unauthorized"
    wrong_scope = target.scope is not None and target.scope != scope
    return "forbidden" if account.script.forbidden or wrong_scope else "ok"


def _allowed_from(answer: Answer, now: float) -> float:
    """Until when an answer asks to be left alone, 0 where it does not.

    Nobody is held to a wait of more than a day, but a 429's holds for an hour.
    """
    until = max(0.0 if answer.retry_after is None else now + answer.retry_after, answer.not_before or 0.0)
    if until <= now + LONGEST_HINT or "Retry-After" not in answer.headers:
        return until
    return now + SUBSTITUTE if answer.status in THROTTLING else 0.0
