"""Two accounts that share a rate: one bucket, whatever happens to either, on virtual time over a real Redis."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.actors import ANNA
from tests.virtual_time import ACCOUNT, OTHER, START, World, most_over, world
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Order, Status
from willcall.orders.outcomes import Issued, NotReady, Outcome, Throttled
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth
from willcall.usecases.accounts import resume

if TYPE_CHECKING:
    from redis import Redis

RATE = Rate(1, 1, 1, shared="address")


@pytest.fixture
def made(redis: "Redis", redis_server: EmbeddedRedis) -> Iterator[World]:
    with world(redis, redis_server.url, RATE) as made:
        made.answers = lambda _order, _at: Issued(tickets=())
        yield made


def submit(made: World, prefix: str, count: int, account: str = "default") -> None:
    for n in range(count):
        made.submit(f"{prefix}-{n}", account=account)


def times(made: World, prefix: str) -> list[float]:
    return [sent.at for sent in made.sent if sent.order_id.startswith(prefix)]


def test_both_accounts_together_keep_to_one_rate_in_the_order_of_their_bookings(made: World) -> None:
    for n in range(10):
        made.submit(f"a-{n}", account="default")
        made.submit(f"b-{n}", account="other")
    made.run(made.now + 60)
    assert most_over([sent.at for sent in made.sent], RATE) <= 1e-6
    assert len(made.sent) == 20
    for prefix in ("a", "b"):
        assert times(made, prefix)[-1] > 18, "neither is served before the other"


def test_a_slot_that_one_account_returns_goes_to_an_order_of_the_other(made: World) -> None:
    submit(made, "a", 10)
    submit(made, "b", 1, "other")
    made.run(0.5)
    for n in range(5, 10):
        made.cancel(f"a-{n}")
    made.run(made.now + 30)
    assert times(made, "b")[0] < 6
    assert made.order("b-0").status is Status.FULFILLED


def test_a_paused_account_gives_its_slots_to_the_other(made: World) -> None:
    submit(made, "a", 100)
    made.run(0.5)
    made.context.stores.accounts.pause(ACCOUNT, None)
    submit(made, "b", 5, "other")
    made.run(made.now + 10)
    assert len(times(made, "b")) == 5
    assert max(times(made, "b")) < 8
    made.resume(now=False)
    made.run(made.now + 150)
    assert len(times(made, "a")) == 100
    assert most_over([sent.at for sent in made.sent], RATE) <= 1e-6


def test_a_429_of_one_account_holds_for_both_and_ends_for_both(made: World) -> None:
    def answers(order: Order, at: float) -> Outcome:
        return Throttled(retry_after=3_600) if order.id == "a-0" and at < 1 else Issued(tickets=())

    made.answers = answers
    submit(made, "a", 2)
    submit(made, "b", 2, "other")
    made.run(600)
    assert len(made.sent) == 1
    accounts, other = made.context.stores.accounts, made.context.accounts[OTHER]
    assert accounts.state(OTHER, other.rate).health is AccountHealth.THROTTLED
    resume(made.context, other, ANNA, override=True)
    made.run(made.now + 30)
    assert {sent.order_id for sent in made.sent} == {"a-0", "a-1", "b-0", "b-1"}
    assert made.open_orders() == []


def test_an_order_without_a_slot_before_its_deadline_gets_one_of_the_other_account(made: World) -> None:
    made.answers = lambda _order, _at: NotReady()
    submit(made, "a", 10)
    made.run(0.5)
    made.redis.hset(keys.order("a-9"), "deadline", round((START + 500) * 1_000))
    made.submit("b-0", account="other")
    made.redis.hset(keys.order("b-0"), "deadline", round((START + 8) * 1_000))
    made.run(made.now + 0.2)
    assert made.redis.zscore(keys.stranded(RATE.bucket(OTHER)), "b-0") is not None
    made.cancel("a-3")
    made.run(made.now + 7)
    assert times(made, "b") != []


def test_a_throttle_from_before_the_rate_was_shared_still_holds(made: World) -> None:
    until = START + 100
    made.redis.hset(keys.account(OTHER), mapping={"throttled_until": round(until * 1_000), "throttled_why": "429"})
    submit(made, "b", 1, "other")
    made.run(99)
    assert made.sent == []
    made.run(110)
    assert len(made.sent) == 1
