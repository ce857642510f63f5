"""Orders, workers and a provider on virtual time: the real scripts in a real Redis without waiting.

Real parts: stores, scripts, settling, sweeps, requests of operators and pushes. Simulated parts: the broker (a
heap of messages), the provider (a function that responds), and late, duplicate or dead workers.
"""

import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from willcall.config import load
from willcall.http.address_guard import AddressGuard
from willcall.http.outbound import OutboundClient
from willcall.orders.model import OPEN, Order
from willcall.orders.outcomes import NotReady, Outcome
from willcall.orders.policy import Rate
from willcall.providers.base import Account
from willcall.runtime.meters import PrometheusMeters
from willcall.stores import scripts
from willcall.stores.accounts import AccountStore
from willcall.stores.connection import connect
from willcall.stores.documents import DocumentStore
from willcall.stores.messages import PollMessage
from willcall.stores.polls import PollClaim, PollVerdict
from willcall.stores.registry import Stores
from willcall.stores.schedule import Requester
from willcall.usecases.accounts import resume
from willcall.usecases.ask import StatusResult
from willcall.usecases.context import Context
from willcall.usecases.orders import cancel_order, expedite_poll
from willcall.usecases.poll_once import TOKEN_WAIT, lease_seconds
from willcall.usecases.settle import postpone_attempt, settle_attempt, settle_expired
from willcall.usecases.submit import submit

if TYPE_CHECKING:
    from redis import Redis

    from willcall.usecases.ports import ProviderClient

#: When a world begins, epoch seconds.
START = 1_800_000_000.0
ACCOUNT = "tiqets/default"
#: The account that shares its bucket, if the rate is shared.
OTHER = "tiqets/other"
CLOCK = "test:clock"
#: So many things that happen in one world are a loop.
_TOO_OFTEN = 15_000

_REAL = "local time = redis.call('TIME')\n  return time[1] * 1000 + math.floor(time[2] / 1000)"
#: Not the cached one, which would keep our clock for other tests.
_source = scripts.source.__wrapped__


def _on_our_clock(package: str, name: str) -> str:
    return _source(package, name).replace(_REAL, f"return tonumber(redis.call('GET', '{CLOCK}'))")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that reached the provider. Times are seconds since the simulation began."""

    at: float
    order_id: str
    claim: PollClaim
    #: Since when it waited for its token.
    since: float


@dataclass
class World:
    """One account, or two that share a rate, with orders and provider. Times are seconds since the simulation began."""

    context: Context
    redis: "Redis"
    #: What the provider answers to a request, given the order and when it came.
    answers: Callable[[Order, float], Outcome] = lambda order, at: NotReady()  # noqa: ARG005 - the shape
    #: Seconds by which a message comes late, one by one.
    lateness: Iterator[float] = field(default_factory=lambda: itertools.repeat(0.0))
    latency: float = 0.05
    on_task: Callable[[Any, float], Any] = lambda args, countdown: None  # noqa: ARG005 - the shape
    sent: list[Sent] = field(default_factory=list)
    claims: int = 0
    now: float = 0.0
    #: Workers die at so many of the next claims that are granted.
    deaths: int = 0
    #: So many of the next messages are lost.
    losses: int = 0
    #: The orders whose worker died or whose message was lost.
    hit: list[str] = field(default_factory=list)
    #: Since when orders wait for a token.
    waiting: dict[str, float] = field(default_factory=dict)
    #: When answers came: the order, its outcome, the moment.
    answered: list[tuple[str, Outcome, float]] = field(default_factory=list)
    _done: int = 0
    _sweeping: bool = False
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.set_clock(0.0)

    @property
    def account(self) -> Account:
        return self.context.accounts[ACCOUNT]

    def set_clock(self, now: float) -> None:
        self.now = now
        self.redis.set(CLOCK, round((START + now) * 1_000))

    def at(self, moment: float, do: Callable[[], Any]) -> None:
        """Do something at a moment."""
        heapq.heappush(self._events, (moment, next(self._numbers), do))

    def run(self, until: float = float("inf"), *, sweeps: float = 30.0) -> None:
        """Advance time, with a sweep every `sweeps` seconds while orders are open."""
        if not self._sweeping:
            self._sweeping = True
            self.at(self.now + sweeps, lambda: self._sweep(sweeps))
        while self._events and self._events[0][0] <= until:
            moment, _, do = heapq.heappop(self._events)
            self._done += 1
            assert self._done < _TOO_OFTEN, f"messages come again and again: {self.now}, {len(self._events)} wait"
            self.set_clock(max(self.now, moment))
            do()
        if until < float("inf"):
            self.set_clock(until)

    def submit(self, order_id: str, **fields: Any) -> None:
        submit(self.context, {"id": order_id, "provider": "tiqets", "reference": order_id, **fields})

    def hint(self, order_id: str, requester: Requester = Requester.PROVIDER) -> None:
        expedite_poll(self.context, self.context.accounts[self.order(order_id).account_key], order_id, requester)

    def cancel(self, order_id: str) -> None:
        if self.order(order_id).status in OPEN:
            cancel_order(self.context, order_id, ANNA)

    def resume(self, *, now: bool = True) -> None:
        """End all pauses. One account is enough to end the throttle of all that share a rate."""
        for account in self.context.accounts.values():
            resume(self.context, account, ANNA, override=now and account is self.account)

    def order(self, order_id: str) -> Order:
        order = self.context.stores.orders.get(order_id)
        assert order is not None
        return order

    def times(self, order_id: str) -> list[float]:
        """Return when an order was polled."""
        return [sent.at for sent in self.sent if sent.order_id == order_id]

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:
        """Deliver messages when they are due, or a little later."""
        for message in messages:
            if self.losses:
                self.losses -= 1
                self.hit.append(message.order_id)
                continue
            due = max(now, message.due) - START + next(self.lateness)
            self.at(due, lambda message=message: self._poll(account, message.order_id, message.seq))  # type: ignore[misc]

    def send_task(self, name: str, args: Any, countdown: float = 0.0) -> None:  # noqa: ARG002 - the port's shape
        """Drop tasks other than polls, unless a test looks at them."""
        self.on_task(args, countdown)

    def _poll(self, account_key: str, order_id: str, seq: int) -> None:
        account = self.context.accounts[account_key]
        self.claims += 1
        claim_id, lease = f"claim-{self.claims}", lease_seconds(account)
        claim = self.context.stores.polls.claim(
            (order_id, seq), account_key, claim_id, lease, account.rate, minimum=account.polling.minimum
        )
        self.context.send_expedited(claim.reschedules)
        if claim.verdict is PollVerdict.GO or claim.token_wait is not None:
            self.waiting.setdefault(order_id, self.now)
        match claim.verdict:
            case PollVerdict.WAIT:
                self.send_polls(account_key, [PollMessage(order_id, seq, claim.until)], claim.now)
            case PollVerdict.EXPIRE:
                settle_expired(self.context, claim.granted_order, claim.now)
            case PollVerdict.GO if self.deaths:
                self.deaths -= 1
                self.hit.append(order_id)
                self.at(self.now + lease + 1, lambda: self._poll(account_key, order_id, seq))
            case PollVerdict.GO:
                at = max(claim.now, claim.send_at) - START
                if at > self.now:
                    self.at(at, lambda: self._ask(claim, claim_id, at))
                else:
                    self._ask(claim, claim_id, at)

    def _ask(self, claim: PollClaim, claim_id: str, at: float) -> None:
        """Send the request, as a worker does that has its token."""
        order = claim.granted_order
        if (
            at > claim.now - START
            and not claim.override
            and self.context.stores.accounts.is_throttled(self.account.bucket)
        ):
            message = postpone_attempt(self.context, claim, claim_id, START + at + TOKEN_WAIT)
            self.send_polls(order.account_key, [message] if message else [], START + self.now)
            return
        self.sent.append(Sent(at, order.id, claim, self.waiting.pop(order.id, at)))
        outcome = self.answers(order, at)
        self.at(at + self.latency, lambda: self._settle(claim, claim_id, outcome))

    def _settle(self, claim: PollClaim, claim_id: str, outcome: Outcome) -> None:
        order, result = claim.granted_order, StatusResult(outcome, 200)
        account = self.context.accounts[order.account_key]
        self.answered.append((order.id, outcome, self.now))
        message = settle_attempt(self.context, account, claim, claim_id, result=result, now=START + self.now)
        if message:
            self.send_polls(order.account_key, [message], START + self.now)

    def _sweep(self, every: float) -> None:
        run_sweep(self.context, "polls")
        run_sweep(self.context, "expire")
        self._sweeping = bool(self._events or self.open_orders())
        if self._sweeping:
            self.at(self.now + every, lambda: self._sweep(every))

    def open_orders(self) -> list[str]:
        """Return the ids of all open orders."""
        prefix = "willcall:order:"
        ids = [key.removeprefix(prefix) for key in self.redis.scan_iter(prefix + "*")]
        return [order_id for order_id in ids if self.order(order_id).status in OPEN]


@contextmanager
def world(redis: "Redis", url: str, rate: Rate, seed: int = 1, **polling: Any) -> Iterator[World]:
    """Return a simulation of an account, or of two if the rate is shared.

    `redis` and `url` name the same empty server.
    """
    redis.flushdb()
    settings = {"strategy": "interval", "interval": [300, 300], "minimum": 1, "ceiling": 86_400} | polling
    text = ""
    for name in ["default", "other"] if rate.shared else ["default"]:
        shared = f", shared = '{rate.shared}'" if rate.shared else ""
        text += f"[providers.tiqets.{name}]\nbase_url = 'http://127.0.0.1:9/v2'\napi_key = 'k'\n"
        text += f"rate = {{limit = {rate.limit}, period = {rate.period}, burst = {rate.burst}{shared}}}\n"
        text += f"[providers.tiqets.{name}.polling]\n"
        text += "".join(f"{key} = {each!r}\n" for key, each in settings.items())
    with simulated(redis, url, text, seed) as made:
        yield made


@contextmanager
def simulated(redis: "Redis", url: str, configuration: str, seed: int = 1) -> Iterator[World]:
    """Return a simulation on what a Redis has, with a configuration. `redis` and `url` name the same server."""
    with TemporaryDirectory() as folder:
        Path(folder, "willcall.toml").write_text(configuration)
        config = load({}, Path(folder))
        with (
            patch.object(scripts, "source", _on_our_clock),
            patch.object(AccountStore, "now", lambda _: int(cast("str", redis.get(CLOCK))) / 1_000),
        ):
            context = Context(
                settings=config.settings,
                accounts=config.accounts,
                stores=Stores.connect(url),
                http=cast("ProviderClient", None),
                outbound=OutboundClient(AddressGuard([])),
                documents=DocumentStore(connect(url), f"file://{folder}/documents"),
                sender=cast("Any", None),
                rng=Random(seed),
                meters=PrometheusMeters(config.accounts),
            )
            made = World(context, redis)
            object.__setattr__(context, "sender", made)
            yield made


def workers_away(made: World, since: float, until: float) -> None:
    """Stop all workers for a while. Messages that are due meanwhile are processed at its end, all at once."""
    send = made.send_polls

    def later(account: str, messages: list[PollMessage], now: float) -> None:
        away = [replace(each, due=START + until) if since < each.due - START < until else each for each in messages]
        send(account, away, now)

    made.send_polls = later  # type: ignore[method-assign]


def most_over(times: list[float], rate: Rate) -> float:
    """Return by how many requests the provider's own bucket would be overdrawn: an independent check."""
    level, last, worst = float(rate.burst), None, 0.0
    for at in sorted(times):
        level = min(float(rate.burst), level + (0.0 if last is None else (at - last) * rate.limit / rate.period)) - 1
        last, worst = at, min(worst, level)
    return -worst
