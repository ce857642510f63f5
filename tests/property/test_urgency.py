"""Who gets the next token, against the written rule of `lua/urgency.lua`: on virtual time over a real Redis."""

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.virtual_time import START, World, most_over, world
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.outcomes import NotReady, Throttled
from willcall.orders.policy import Rate
from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

HOUR = 3_600.0
RATES = [Rate(1, 1, 1), Rate(2, 1, 2), Rate(1, 1, 1, shared="address"), Rate(1, 60, 1)]
hours = st.one_of(st.none(), st.sampled_from([-2.0, 0.0, 1.0, 3.0, 30.0, 300.0]), st.floats(0, 400))
steps = st.one_of(
    st.tuples(st.just("submit"), st.lists(hours, min_size=1, max_size=12), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("push"), st.integers(0, 50)),
    st.tuples(st.just("throttle"), st.sampled_from([3.0, 30.0])),
)
#: The last number is how many intervals of the rate to wait before the step.
histories = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 2.0, 30.0]), steps), min_size=2, max_size=15)


def rank(since: float, event: float | None) -> float:
    """Return the moment by which an order is compared with others, in seconds: the least is the most urgent."""
    if event is None:
        return since + 6 * HOUR
    left = abs(event - since)
    return since + 6 * HOUR * left / (left + 24 * HOUR)


class Played:
    """A history and the orders in it."""

    def __init__(self, made: World, rate: Rate) -> None:
        self.made, self.rate = made, rate
        self.submitted: dict[str, tuple[float, float | None]] = {}
        self.touched: set[str] = set()
        self.throttles: list[float] = []
        #: When the account was throttled, and for how long; when slots were returned.
        self.throttled: list[tuple[float, float]] = []
        self.returned: list[float] = []
        made.answers = self._answer

    def _answer(self, _order_id: str, at: float) -> NotReady | Throttled:
        if not self.throttles:
            return NotReady()
        self.throttled.append((at, self.throttles.pop()))
        return Throttled(retry_after=self.throttled[-1][1])

    def submit(self, events: list[float | None], other: bool) -> None:  # noqa: FBT001 - called by name
        for event in events:
            order_id = f"ord-{len(self.submitted)}"
            self.made.submit(order_id, account="other" if other and self.rate.shared else "default")
            at = None if event is None else self.made.now + event * HOUR
            self.submitted[order_id] = (self.made.now, at)
            if at is not None:
                self.made.redis.hset(keys.order(order_id), "event", round((START + at) * 1_000))

    def cancel(self, number: int) -> None:
        order_id = f"ord-{number}"
        if order_id in self.submitted:
            self.made.cancel(order_id)
            self.touched.add(order_id)
            self.returned.append(self.made.now)

    def push(self, number: int) -> None:
        order_id = f"ord-{number}"
        if order_id in self.submitted and not self.made.times(order_id):
            self.made.hint(order_id)
            self.touched.add(order_id)

    def throttle(self, seconds: float) -> None:
        self.throttles = [seconds]


@pytest.mark.proof
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rate=st.sampled_from(RATES), history=histories, seed=st.integers(0, 100))
def test_no_token_goes_to_an_order_while_a_more_urgent_one_waits(
    redis: "Redis", redis_server: EmbeddedRedis, rate: Rate, history: list[tuple[float, tuple]], seed: int
) -> None:
    interval = rate.period / rate.limit
    with world(redis, redis_server.url, rate, seed=seed, interval=[80_000, 80_000]) as made:
        random, played = Random(seed), Played(made, rate)
        made.lateness = iter(lambda: random.uniform(0, 0.05), None)
        for wait, (name, *arguments) in history:
            made.run(made.now + wait * interval)
            getattr(played, name)(*arguments)
        made.run(made.now + 250 * interval + 100)
        first = {}
        for sent in made.sent:
            first.setdefault(sent.order_id, sent.at)
    assert most_over([sent.at for sent in made.sent], rate) <= 1e-6
    assert set(played.submitted) - played.touched <= set(first), "every order is polled"
    compared = {order_id: at for order_id, at in first.items() if order_id not in played.touched}
    # Slots are promised a moment before, and not exchanged for less than a second; a throttle may come in between.
    # A slot that is returned goes to the last booking until the next token is taken.
    notice, gain = interval + 0.5, max(interval, 1.0) + 0.5
    for urgent, at in compared.items():
        since, event = played.submitted[urgent]
        if event is None:
            continue
        for other, before in compared.items():
            paused = sum(seconds for then, seconds in played.throttled if before - interval <= then <= at)
            promised = any(before - notice <= then <= before for then in played.returned)
            if since + notice < before < at - gain - paused and not promised:
                assert rank(*played.submitted[other]) <= rank(since, event) + 0.01, (urgent, at, other, before)
