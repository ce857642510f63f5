"""Orders with an event and scarce tokens: who is polled first, and that nobody waits forever, on virtual time."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.virtual_time import ACCOUNT, OTHER, START, World, most_over, workers_away, world
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Status
from willcall.orders.outcomes import NotReady, Throttled
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.bookings import BookingKind

if TYPE_CHECKING:
    from redis import Redis

Make = Callable[..., World]
HOUR = 3_600.0


@pytest.fixture
def make(redis: "Redis", redis_server: EmbeddedRedis) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda rate, **polling: stack.enter_context(
            world(redis, redis_server.url, rate, **({"interval": [80_000, 80_000]} | polling))
        )


def submit(made: World, *events: float | None, prefix: str = "ord", account: str = "default") -> list[str]:
    """Submit orders whose events are so many seconds from now."""
    ids = [f"{prefix}-{n}" for n in range(len(events))]
    for order_id, event in zip(ids, events, strict=True):
        at = None if event is None else datetime.fromtimestamp(START + made.now + event, UTC).isoformat()
        made.submit(order_id, account=account, event_at=at)
    return ids


def first_polls(made: World, ids: list[str]) -> list[float]:
    return [made.times(order_id)[0] for order_id in ids]


def test_orders_due_at_once_are_polled_in_the_order_of_their_events(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    events = [3, 200, 40, 1, 90, 12, 2, 150, 30, 5, 700, 8]
    ids = submit(made, None, *(hours * HOUR for hours in events), None)
    made.run(30)
    asked = [sent.order_id for sent in made.sent if sent.order_id not in {ids[0], ids[-1]}]
    assert asked == [ids[1 + events.index(hours)] for hours in sorted(events)]
    assert made.sent[-1].order_id == ids[-1]
    assert most_over([sent.at for sent in made.sent], Rate(1, 1, 1)) <= 1e-6


def test_an_urgent_order_overtakes_those_that_wait_and_costs_them_one_token(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    others = submit(made, *[None] * 200, prefix="other")
    made.run(20.4)
    ids = submit(made, 2 * HOUR, 3 * HOUR)
    made.run(300)
    assert first_polls(made, ids) == pytest.approx([21.5, 22.5], abs=1.1)
    polls = first_polls(made, others)
    assert max(polls) < 206
    assert polls[23:] == sorted(polls[23:])
    assert made.claims < 2 * 202 + 8


def test_an_order_that_was_moved_back_keeps_its_age(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    for n in range(400):
        made.at(n / 2, lambda n=n: submit(made, None, prefix=f"other{n}"))
    made.at(100.2, lambda: submit(made, HOUR))
    made.run(500)
    moved = made.times("other102-0")[0]
    everyone = [made.times(f"other{n}-0")[0] for n in range(103, 400)]
    assert made.times("ord-0")[0] < 103
    assert moved < 240, "it has to wait for a minute longer than its neighbours, not for the whole queue"
    assert len(everyone) == 297


def test_an_order_without_event_is_polled_however_many_urgent_ones_come(make: Make) -> None:
    made = make(Rate(1, 600, 1), ceiling=86_000)
    submit(made, *[None] * 10, prefix="other")
    for n in range(100):
        made.at(500.0 * n, lambda n=n: submit(made, 600, prefix=f"urgent{n}"))
    made.run(13 * HOUR, sweeps=1_800)
    waited = first_polls(made, [f"other-{n}" for n in range(10)])
    assert waited[1] > 6 * HOUR
    younger = [made.times(f"urgent{n}-0") for n in range(int(6 * HOUR / 500) + 1, 100)]
    assert max(waited) < min(times[0] for times in younger if times)


def test_a_moved_order_is_never_moved_beyond_its_deadline(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    others = submit(made, *[None] * 100, prefix="other")
    for order_id in others[:50]:
        made.redis.hset(keys.order(order_id), "deadline", round((START + 60) * 1_000))
    made.run(0.5)
    ids = submit(made, HOUR)
    made.run(110)
    assert all(made.times(order_id) for order_id in [*others, *ids])
    assert made.times(ids[0])[0] > 49, "before that there are only orders that could not wait longer"


def test_an_urgent_order_without_a_slot_before_its_deadline_takes_one(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    submit(made, *[None] * 100, prefix="other")
    made.run(0.5)
    ids = submit(made, *[HOUR, 2 * HOUR, 3 * HOUR])
    for order_id in ids:
        made.redis.hset(keys.order(order_id), "deadline", round((START + 20) * 1_000))
    made.run(30)
    assert max(first_polls(made, ids)) < 6


def test_an_urgent_order_overtakes_orders_that_missed_their_slots(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    workers_away(made, 0.5, 60)
    submit(made, *[None] * 100, prefix="other")
    made.run(65)
    assert made.redis.zcard(keys.late_bookings(ACCOUNT)) > 30
    ids = submit(made, HOUR)
    made.run(200)
    assert made.times(ids[0])[0] < 67.5
    assert all(made.times(f"other-{n}") for n in range(100))
    assert most_over([sent.at for sent in made.sent], Rate(1, 1, 1)) <= 1e-6


def test_an_urgent_order_that_is_pushed_leaves_a_full_express_lane(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    others = submit(made, *[None] * 300, prefix="other")
    ids = submit(made, HOUR)
    made.run(2.5)
    for order_id in others[100:200]:
        made.hint(order_id)
    made.run(5)
    late = submit(made, HOUR, prefix="late")
    made.hint(late[0])
    made.run(40)
    assert made.times(ids[0])[0] < 3
    assert made.times(late[0])[0] < 7.5


def test_a_throttle_moves_urgent_orders_like_all_others(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    answers = itertools.chain(
        [NotReady(), NotReady(), NotReady(), Throttled(retry_after=50)], itertools.repeat(NotReady())
    )
    made.answers = lambda _order, _at: next(answers)
    submit(made, *[None] * 50, prefix="other")
    made.run(0.5)
    ids = submit(made, *[HOUR * n for n in range(1, 11)])
    made.run(200)
    polls = first_polls(made, ids)
    assert polls == sorted(polls)
    assert not any(3.2 < sent.at < 53 for sent in made.sent)
    assert polls[-1] < 53 + 12
    assert most_over([sent.at for sent in made.sent], Rate(1, 1, 1)) <= 1e-6


def test_urgent_orders_of_accounts_that_share_a_rate_are_compared(make: Make) -> None:
    made = make(Rate(1, 1, 1, shared="address"))
    submit(made, *[None] * 100, prefix="other")
    made.run(0.5)
    there = submit(made, HOUR, 3 * HOUR, prefix="there", account="other")
    here = submit(made, 2 * HOUR, prefix="here")
    made.run(5)
    first = first_polls(made, [there[0], here[0], there[1]])
    assert first == sorted(first)
    made.run(200)
    assert len(made.sent) == 103


def test_an_urgent_order_of_a_paused_account_does_not_take_slots_that_others_share(make: Make) -> None:
    made = make(Rate(1, 1, 1, shared="address"))
    submit(made, *[None] * 10, prefix="other")
    urgent = submit(made, *[HOUR] * 20, prefix="there", account="other")
    made.run(1.5)
    made.context.stores.accounts.pause(OTHER, None)
    made.run(22)
    assert all(made.times(f"other-{n}") for n in range(10))
    made.resume(now=False)
    made.run(60)
    assert all(made.times(order_id) for order_id in urgent)


def test_the_wait_of_other_requests_is_not_taken(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    submit(made, None, prefix="other")
    made.run(0.1)
    reserve = made.context.stores.accounts.reserve_token
    first = reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "x")
    submit(made, *[None] * 5, prefix="later")
    made.run(0.2)
    ids = submit(made, HOUR)
    granted = []
    made.at(
        (first.at or 0) - START, lambda: granted.append(reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "x"))
    )
    made.run(5)
    assert granted[0].granted
    assert made.times(ids[0])[0] == pytest.approx(2, abs=0.3)


def test_an_order_that_expired_is_not_urgent_for_its_late_check(make: Make) -> None:
    made = make(Rate(1, 1, 1), ceiling=20)
    ids = submit(made, HOUR)
    made.run(25)
    assert made.order(ids[0]).status is Status.EXPIRED
    submit(made, *[None] * 10, prefix="other")
    made.run(25.5)
    made.hint(ids[0])
    made.run(26)
    assert not made.redis.exists(keys.urgent(ACCOUNT))


def test_bookings_of_an_older_release_have_no_age(make: Make) -> None:
    """It writes no `since`, leaves that of an earlier attempt, and does not know the index by urgency."""
    made = make(Rate(1, 1, 1))
    others = submit(made, *[None] * 10, prefix="other")
    made.run(0.5)
    for n, order_id in enumerate(others):
        made.redis.hdel(keys.order(order_id), "since")
        if n % 2:
            made.redis.hset(keys.order(order_id), mapping={"since": 5, "last_poll": 6})
    made.redis.zadd(keys.urgent(ACCOUNT), {"order:gone": 1, "documents:x": 2, "order:other-0": 3})
    made.redis.hset(keys.tokens(ACCOUNT), "urgent", 1)
    ids = submit(made, HOUR)
    made.run(30)
    assert made.times(ids[0])[0] < 2.3
    assert len(made.sent) == 11
    assert not made.redis.exists(keys.urgent(ACCOUNT))


def test_without_events_nothing_is_kept_for_urgency(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    submit(made, *[None] * 10)
    made.run(1.5)
    assert made.redis.hget(keys.tokens(ACCOUNT), "urgent") is None
    assert not made.redis.exists(keys.urgent(ACCOUNT))
