"""One request from its arrival to its answer: who asks, what for, was it allowed, what is said."""

from dataclasses import dataclass
from http import HTTPStatus

from simulator import faults
from simulator.accounts import Account, Order
from simulator.ledger import Auth, Entry
from simulator.phases import FINAL, overall
from simulator.providers.base import Provider, Target
from simulator.script import SlowFault
from simulator.wire import Answer, Call, Manner
from simulator.world import Grant, World

#: A client's clock and ours may differ by rounding: earlier by less than this (seconds) is not early.
SLACK = 0.005

#: How long an account that is down in the form of "hang" keeps silent: beyond any client's patience.
FOR_EVER = 3600.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Say nothing for so many seconds, then ask the exchange again."""

    seconds: float


class Exchange:
    """Made when a request arrives; `answer` once or more, `sent` when it went out, `close` in any case."""

    def __init__(self, world: World, provider: Provider, call: Call) -> None:
        self._world = world
        self._provider = provider
        self._call = call
        self._target = target = provider.route(call)
        self._silent = False
        self._answer: Answer | None = None
        self._sent_at: float | None = None
        arrived = world.clock()
        self._grant = world.grant(provider.name, target.key)
        self._account: Account | None = self._grant.account if self._grant else None
        auth = self._authenticate(self._grant, target, arrived)
        self._order = self._find() if auth == "ok" else None
        self.entry = Entry(
            number=world.ledger.next_number(),
            arrived=arrived,
            provider=provider.name,
            kind=target.kind,
            reference=target.reference,
            account=self._account.script.name if self._account else None,
            auth=auth,
        )
        self._note_allowance()
        world.ledger.add(self.entry)

    def answer(self) -> Answer | Silence:
        """What to do next; after a silence, what to do then."""
        entry, account = self.entry, self._account
        if account is None:
            return self._say(self._error(self._provider.unknown_status))
        if account.script.down and not self._silent:
            return self._down(account)
        if entry.auth in ("unauthorized", "wrong"):
            return self._say(self._error(HTTPStatus.UNAUTHORIZED))
        if entry.auth == "forbidden":
            return self._say(self._error(HTTPStatus.FORBIDDEN))
        if entry.kind == "token":
            token = self._world.issue_token(account)
            return self._say(self._provider.granted(token, account.script.token_lifetime))
        if entry.kind == "list":
            return self._list(account)
        if self._order is None:
            return self._say(self._error(HTTPStatus.NOT_FOUND))
        return self._status(account, self._order)

    def sent(self) -> None:
        """Note that the whole answer went out: what it says counts as told."""
        answer = self._answer
        if answer is None:
            return
        self._sent_at = now = self._world.clock()
        until = answer.not_before if answer.retry_after is None else now + answer.retry_after
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS and self._account and until is not None:
            self._account.throttle(now, until)
        if answer.phase and self._order:
            for order in self._members(self._order):
                order.told.add(order.view(now, "").phase)
            self._order.told.add(answer.phase)

    def close(self) -> None:
        """Finish the entry and note when the order may be asked for again."""
        now = self._world.clock()
        order, answer = self._order, self._answer
        if order and self._account:
            order.in_flight -= 1
            if self.entry.status != HTTPStatus.UNAUTHORIZED:
                least = self.entry.arrived + self._account.script.least_interval
                order.allowed_at = max(least, self._hint(answer) if answer else 0.0)
        self._world.ledger.finish(self.entry, now)
