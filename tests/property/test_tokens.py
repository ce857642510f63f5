"""Claim and token bucket against a model: whatever happens in whatever order, on virtual time over a real Redis.

The model is what the provider would see (a token bucket of its own, hints, throttles), what an order may expect (it
ends at its deadline, asking sooner makes it no later), and what an operator may: no token is left lying while an order
waits for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.virtual_time import ACCOUNT, OTHER, START, World, most_over, world
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import OPEN, Order
from willcall.orders.outcomes import Issued, NotReady, Outcome, Throttled
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.polls import LAST_ATTEMPT
from willcall.stores.schedule import Requester

if TYPE_CHECKING:
    from redis import Redis

CEILING, MINIMUM = 90.0, 2.0
RATES = [Rate(1, 1, 1), Rate(10, 1, 1), Rate(5, 1, 2), Rate(10, 1, 10), Rate(2, 10, 1), Rate(30, 60, 3)]
#: Half of the histories are of two accounts that share their rate.
RATES += [replace(rate, shared="address") for rate in RATES]

numbers = st.integers(0, 30)
steps = st.one_of(
    st.tuples(st.just("submit"), st.integers(1, 15), st.booleans()),
    st.tuples(st.just("hint"), numbers, st.sampled_from(list(Requester))),
    st.tuples(st.just("flood"), st.integers(1, 20)),
    st.tuples(st.just("cancel"), numbers),
    st.tuples(st.just("cancel_many"), st.integers(2, 3)),
    st.tuples(
        st.just("answer"),
        st.one_of(
            st.sampled_from([5.0, 20.0, 200.0]).map(lambda seconds: NotReady(retry_after=seconds)),
            st.sampled_from([3.0, 20.0, 200.0]).map(lambda seconds: Throttled(retry_after=seconds)),
            st.just(Issued(tickets=())),
        ),
        st.integers(1, 2),
    ),
    st.tuples(st.just("resume"), st.booleans()),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("kill"), st.integers(1, 3)),
    st.tuples(st.just("lose"), st.integers(1, 3)),
    st.tuples(st.just("late"), st.sampled_from([0.05, 0.5, 4.0])),
)
histories = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 1.0, 7.0]), steps), min_size=3, max_size=25)


@dataclass
class Model:
    """A simulated system, what was done to it, and what must hold."""

    world: World
    random: Random
    ids: list[str] = field(default_factory=list)
    coming: list[Outcome] = field(default_factory=list)
    #: When an operator has overridden a hint, by order; '' is all orders.
    overridden: list[tuple[str, float]] = field(default_factory=list)
    asked: int = 0
    hinted: set[str] = field(default_factory=set)
    latest: float = 0.0
    worst_lateness: float = 0.0
    wasted: int = 0
    #: Pauses: from, until and the account.
    stopped: list[tuple[float, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.answers = self._answer
        self.world.lateness = self._lateness()

    def _answer(self, order: Order, at: float) -> Outcome:  # noqa: ARG002 - the shape
        return self.coming.pop() if self.coming else NotReady()

    def _lateness(self) -> Iterator[float]:
        while True:
            yield self.random.uniform(0, self.latest)

    def do(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        getattr(self, name)(*arguments)

    def submit(self, count: int, other: bool) -> None:  # noqa: FBT001 - called by name
        for _ in range(count):
            self.ids.append(f"ord-{len(self.ids)}")
            self.world.submit(self.ids[-1], account=self._account(other=other).partition("/")[2])

    def hint(self, number: int, requester: Requester) -> None:
        if self.ids:
            self._hint(self.ids[number % len(self.ids)], requester)

    def flood(self, count: int) -> None:
        for n in range(count * bool(self.ids)):
            self._hint(self.ids[n % len(self.ids)], Requester.PROVIDER)

    def cancel(self, number: int) -> None:
        if self.ids:
            self.world.cancel(self.ids[number % len(self.ids)])

    def cancel_many(self, each: int) -> None:
        for order_id in self.ids[::each]:
            self.world.cancel(order_id)

    def answer(self, outcome: Outcome, times: int) -> None:
        self.coming += [outcome] * times

    def resume(self, now: bool) -> None:  # noqa: FBT001 - called by name
        self.world.resume(now=now)
        if now:
            self.overridden.append(("", self.world.now))
        self.stopped = [(start, min(end, self.world.now), account) for start, end, account in self.stopped]

    def pause(self, other: bool) -> None:  # noqa: FBT001 - called by name
        account = self._account(other=other)
        self.world.context.stores.accounts.pause(account, None)
        self.stopped.append((self.world.now, float("inf"), account))

    def kill(self, count: int) -> None:
        self.world.deaths += count
        self.wasted += count

    def lose(self, count: int) -> None:
        self.world.losses += count
        self.wasted += count

    def late(self, seconds: float) -> None:
        self.latest = seconds
        self.worst_lateness = max(self.worst_lateness, seconds)

    def _account(self, *, other: bool) -> str:
        return OTHER if other and OTHER in self.world.context.accounts else ACCOUNT

    def _booking(self, order_id: str) -> tuple[str | None, float]:
        """Return the lane and the slot of an order that has booked one, else 0.0."""
        lane, slot = self.world.redis.hmget(keys.order(order_id), "line", "slot")
        if lane is None or slot is None:
            return None, 0.0
        shift = self.world.redis.hget(keys.tokens(self.world.context.accounts[ACCOUNT].bucket), "shift")
        return str(lane), (float(slot) + float(shift or 0)) / 1_000

    def _hint(self, order_id: str, requester: Requester) -> None:
        """Bring an order forward. It must not become later, neither at once nor when its message arrives."""
        order = self.world.order(order_id)
        if order.status not in OPEN:
            return
        if requester is Requester.OVERRIDE:
            self.overridden.append((order_id, self.world.now))
        lane, slot = self._booking(order_id)
        booked = lane is not None
        asked, known = len(self.world.times(order_id)), len(self.world.answered)
        self.asked += 1
        self.world.hint(order_id, requester)
        self.hinted.add(order_id)
        # A throttle moves slots without writing to their orders.
        before = max(filter(None, [order.next_poll_at, slot]), default=None)
        # One that is due now and has no slot yet books one, however long the line is.
        promised = booked or (before is not None and before > START + self.world.now + 0.5)
        if before is not None and promised and not self.latest and not self.stopped:
            self.world.run(self.world.now + 0.15)
            after = self.world.order(order_id)
            if len(self.world.times(order_id)) == asked and len(self.world.answered) == known:
                # Without a next poll it is claimed already, and waits for the moment of its token.
                rate = self.world.context.accounts[ACCOUNT].rate
                # The express lane takes tokens from the other two, but keeps its own.
                slip = rate.period / rate.limit * 1.02 if lane != "express" and self.hinted - {order_id} else 0.0
                assert (after.next_poll_at or 0) <= max(before, START + self.world.now) + slip + 0.2

    # What must have held, when all is over.

    def check(self, rate: Rate) -> None:
        sent = self.world.sent
        assert most_over([each.at for each in sent], rate) <= 1e-6
        self._check_ends()
        self._check_hints()
        self._check_tokens(rate)
        assert self.world.claims <= 20 + 12 * (len(sent) + len(self.ids) + self.asked + self.wasted)

    def _check_ends(self) -> None:
        for order_id in self.ids:
            order = self.world.order(order_id)
            assert order.status not in OPEN
            deadline = order.deadline_at - START
            late = [at for at in self.world.times(order_id) if at > deadline]
            assert len(late) <= 1
            assert all(at <= deadline + max(LAST_ATTEMPT, MINIMUM) for at in late)

    def _check_hints(self) -> None:
        for order_id, outcome, at in self.world.answered:
            if outcome.retry_after is None:
                continue
            whole = isinstance(outcome, Throttled)
            until = at + outcome.retry_after - 0.01
            for each in self.world.sent:
                mine = each.order_id == order_id
                if not (mine or whole) or not at < each.at < until or (each.claim.now - START <= at and not mine):
                    continue
                allowed = any(
                    at - 1 <= moment <= each.at + 0.2 and who in {"", each.order_id}
                    for who, moment in self.overridden
                    if who or whole
                )
                assert allowed, (order_id, outcome, at, each.order_id, each.at)

    def _check_tokens(self, rate: Rate) -> None:
        """Requests that waited for a token waited because others used the whole rate."""
        interval = rate.period / rate.limit * 1.03
        throttles = [
            (at, at + (outcome.retry_after or 0.0), account)
            for _, outcome, at in self.world.answered
            if isinstance(outcome, Throttled)
            for account in self.world.context.accounts
        ]
        for each in self.world.sent:
            mine = each.claim.granted_order.account_key
            disturbed = any(
                start <= each.at and end >= each.since and account == mine
                for start, end, account in [*throttles, *self.stopped]
            )
            if each.order_id in self.hinted or disturbed:
                continue
            between = sum(each.since - 0.001 <= other.at <= each.at for other in self.world.sent)
            # A dead worker holds its order for the lease, and a lost message is sent again by a sweep.
            slack = 2 * self.worst_lateness + 1.0 + 47.0 * self.world.hit.count(each.order_id)
            assert each.at - each.since <= (between + self.wasted + 1) * interval + slack


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example(
    rate=Rate(limit=1, period=1, burst=1), history=[(0.0, ("submit", 1, False))] * 5 + [(0.0, ("flood", 8))], seed=0
)
@given(rate=st.sampled_from(RATES), history=histories, seed=st.integers(0, 100))
def test_no_history_breaks_a_promise_to_provider_or_orders(
    redis: "Redis", redis_server: EmbeddedRedis, rate: Rate, history: list[tuple[float, tuple[Any, ...]]], seed: int
) -> None:
    polling = {"ceiling": CEILING, "minimum": MINIMUM, "interval": [20, 40]}
    with world(redis, redis_server.url, rate, seed=seed, **polling) as made:
        model = Model(made, Random(seed))
        for wait, step in history:
            made.run(made.now + wait)
            model.do(step)
        model.latest = 0.0
        made.deaths = made.losses = 0
        model.do(("resume", False))
        made.run(made.now + CEILING + 70)
        model.check(rate)


def test_an_express_booking_is_kept(redis: "Redis", redis_server: EmbeddedRedis) -> None:
    polling = {"ceiling": CEILING, "minimum": MINIMUM, "interval": [20, 40]}
    with world(redis, redis_server.url, Rate(limit=1, period=1, burst=1), seed=0, **polling) as made:
        model = Model(made, Random(0))
        for step in [("submit", 1, False)] * 5 + [("flood", 8)]:
            made.run(made.now)
            model.do(step)
