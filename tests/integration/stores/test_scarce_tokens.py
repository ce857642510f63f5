"""Policy under scarce tokens: slots, deadlines and orders brought forward, on virtual time."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.virtual_time import ACCOUNT, START, World, most_over, workers_away, world
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Order, Status
from willcall.orders.outcomes import Issued, NotReady, Outcome, Throttled
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.bookings import BookingKind
from willcall.stores.schedule import ExpediteOutcome, Requester
from willcall.usecases.accounts import resume
from willcall.usecases.alerts import account_alert
from willcall.usecases.orders import request_poll

if TYPE_CHECKING:
    from redis import Redis

Make = Callable[..., World]


@pytest.fixture
def make(redis: "Redis", redis_server: EmbeddedRedis) -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda rate, **polling: stack.enter_context(world(redis, redis_server.url, rate, **polling))


def throttled_once(seconds: float) -> Callable[[Order, float], Outcome]:
    """The first request is answered 429."""
    first = itertools.count()
    return lambda order, at: NotReady() if next(first) else Throttled(retry_after=seconds)  # noqa: ARG005 - the shape


def submit(made: World, count: int, prefix: str = "ord") -> list[str]:
    ids = [f"{prefix}-{n}" for n in range(count)]
    for order_id in ids:
        made.submit(order_id)
    return ids


# The ceiling


def test_orders_without_a_token_before_the_deadline_expire_at_it(make: Make) -> None:
    made = make(Rate(1, 5, 1), ceiling=12, strategy="exponential", initial=5)
    ids = submit(made, 12)
    made.run()
    assert {made.order(order_id).status for order_id in ids} == {Status.EXPIRED}
    assert max(made.order(order_id).finished_at - START for order_id in ids) < 12.1
    assert max(sent.at for sent in made.sent) <= 12


def test_an_order_expires_at_its_deadline_during_a_throttle(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=40)
    made.answers = lambda order, at: NotReady(retry_after=100) if order.id == "ord-0" else Throttled(retry_after=90)  # noqa: ARG005
    submit(made, 1)
    made.at(1, lambda: submit(made, 3, "late"))
    made.run()
    assert len(made.times("ord-0")) == 1
    assert made.order("ord-0").finished_at == pytest.approx(START + 40, abs=0.1)
    for n in range(3):
        assert made.order(f"late-{n}").status is Status.EXPIRED
        assert max(made.times(f"late-{n}"), default=0.0) <= 41
        assert made.order(f"late-{n}").finished_at == pytest.approx(START + 41, abs=0.1)


def test_a_slot_that_a_throttle_moves_beyond_the_deadline_is_not_used(make: Make) -> None:
    made = make(Rate(1, 1, 1), ceiling=40)
    made.answers = throttled_once(60)
    ids = submit(made, 10)
    made.run()
    assert len(made.sent) == 1
    assert max(made.order(order_id).finished_at - START for order_id in ids) < 40.1


def test_the_last_attempt_is_at_the_deadline_if_there_is_a_token(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=40)
    submit(made, 1)
    made.run()
    assert made.times("ord-0") == [0.0, pytest.approx(40.0, abs=0.01)]


def test_no_attempt_is_made_long_after_the_deadline(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=40, minimum=5)
    made.lateness = itertools.chain([0.0, 30.0], itertools.repeat(0.0))
    submit(made, 1)
    made.run()
    assert made.times("ord-0") == [0.0]
    assert made.order("ord-0").status is Status.EXPIRED


def test_the_sweep_ends_orders_whose_messages_are_lost(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=40)
    made.losses = 1_000
    submit(made, 3)
    made.run()
    assert {made.order(f"ord-{n}").status for n in range(3)} == {Status.EXPIRED}


def test_an_order_of_an_unconfigured_account_expires_at_its_deadline(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=3)
    made.losses = 1
    submit(made, 1)
    object.__setattr__(made.context, "accounts", {})
    made.set_clock(2.9)
    run_sweep(made.context, "expire")
    assert made.order("ord-0").status is Status.PENDING
    made.set_clock(3.1)
    run_sweep(made.context, "expire")
    assert made.order("ord-0").status is Status.EXPIRED


def test_the_sweep_does_not_interrupt_an_attempt(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=40)
    made.latency = 15
    submit(made, 1)
    made.at(50, lambda: run_sweep(made.context, "expire"))
    made.run(60)
    assert made.times("ord-0") == [0.0, pytest.approx(40.0, abs=0.01)]
    assert made.order("ord-0").finished_at == pytest.approx(START + 55, abs=0.01)


def test_a_released_order_that_may_not_be_polled_expires_at_its_deadline(make: Make) -> None:
    made = make(Rate(10, 1, 10), ceiling=40)
    submit(made, 1)
    made.context.stores.accounts.pause(ACCOUNT, None)
    made.redis.hset(keys.order("ord-0"), "hint", round((START + 100) * 1_000))
    made.at(5, lambda: made.resume(now=False))
    made.run()
    assert made.sent == []
    assert made.order("ord-0").finished_at == pytest.approx(START + 40, abs=0.1)


# A throttle ended by an operator


def test_resume_without_an_override_keeps_a_throttle(make: Make) -> None:
    made = make(Rate(10, 1, 1))
    made.answers = throttled_once(3_600)
    submit(made, 5)
    made.at(10, lambda: made.resume(now=False))
    made.at(20, lambda: made.submit("new"))
    made.run(4_000)
    assert [sent.at for sent in made.sent if 0 < sent.at < 3_599] == []
    assert len({sent.order_id for sent in made.sent}) == 6


@pytest.mark.parametrize("count", [5, pytest.param(700, marks=pytest.mark.proof)])
def test_resume_now_releases_every_order_that_was_throttled(make: Make, count: int) -> None:
    made = make(Rate(10, 1, 1))
    made.answers = throttled_once(3_600)
    ids = submit(made, count)
    made.at(100, lambda: submit(made, 5, "met"))
    made.at(200, lambda: made.resume(now=True))
    made.run(210 + count / 10)
    assert min(sent.at for sent in made.sent if sent.at > 1) >= 200
    assert {order_id for order_id in ids if len(made.times(order_id)) < (2 if order_id == "ord-0" else 1)} == set()
    assert all(made.times(f"met-{n}") for n in range(5))
    assert most_over([sent.at for sent in made.sent], Rate(10, 1, 1)) <= 1e-6


def test_resume_now_releases_orders_with_a_deadline_before_the_end_of_the_throttle(make: Make) -> None:
    made = make(Rate(10, 1, 5), ceiling=600)
    made.answers = throttled_once(3_600)
    submit(made, 10)
    made.at(10, lambda: made.resume(now=True))
    made.run(20)
    assert {sent.order_id for sent in made.sent} == {f"ord-{n}" for n in range(10)}
    assert len(made.times("ord-0")) == 2


def test_a_resume_that_dies_half_way_is_finished_by_the_sweep(make: Make) -> None:
    made = make(Rate(10, 1, 1))
    made.answers = throttled_once(3_600)
    submit(made, 5)
    made.at(100, lambda: made.context.stores.accounts.resume(ACCOUNT, ACCOUNT, alert(made), now=True))
    made.run(200)
    assert {sent.order_id for sent in made.sent} == {f"ord-{n}" for n in range(5)}


def alert(made: World) -> Any:
    return account_alert(made.context, ACCOUNT)


def test_documents_that_wait_for_a_slot_move_up_with_the_orders(make: Make) -> None:
    made = make(Rate(10, 1, 1))
    sent: list[tuple[str, float]] = []
    made.on_task = lambda args, countdown: sent.append((args[0], made.now + countdown))
    made.answers = throttled_once(3_600)
    submit(made, 1)
    made.run(1)
    accounts = made.context.stores.accounts
    reservation = accounts.reserve_token(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "ord-0")
    assert not reservation.granted
    made.redis.zadd(keys.FETCHES_DUE, {"ord-0": (reservation.at or 0) * 1_000})
    made.set_clock(10)
    assert resume(made.context, made.account, ANNA, override=True).until is None
    assert [(order_id, at < 12) for order_id, at in sent] == [("ord-0", True)]


def test_poll_now_overrides_hint_and_throttle_for_one_order(make: Make) -> None:
    made = make(Rate(10, 1, 5))
    made.answers = throttled_once(3_600)
    submit(made, 3)
    results = []
    made.at(10, lambda: results.append(request_poll(made.context, "ord-0", ANNA)))
    made.at(20, lambda: results.append(request_poll(made.context, "ord-0", ANNA, override=True)))
    made.run(100)
    assert results[0].at == pytest.approx(START + 3_600, abs=2)
    assert results[1].at == pytest.approx(START + 20, abs=0.2)
    assert made.times("ord-0")[1:] == [pytest.approx(20, abs=0.2)]
    assert made.order("ord-1").next_poll_at > START + 3_000


# Slots go back


def test_the_slots_of_cancelled_orders_are_returned(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    ids = submit(made, 300)
    made.at(5, lambda: [made.cancel(order_id) for order_id in ids])
    made.at(10, lambda: made.submit("new"))
    made.run(20)
    assert made.times("new") == [pytest.approx(10, abs=0.1)]


@pytest.mark.parametrize(
    "which",
    [
        slice(None, None, 2),
        *(pytest.param(half, marks=pytest.mark.proof) for half in (slice(0, 150), slice(150, None))),
    ],
)
def test_orders_behind_cancelled_ones_move_up_and_none_becomes_later(make: Make, which: slice) -> None:
    made = make(Rate(1, 1, 1))
    ids = submit(made, 300)
    made.run(5)
    booked = {order_id: made.order(order_id).next_poll_at for order_id in ids}
    for order_id in ids[which]:
        made.cancel(order_id)
    left = [order_id for order_id in ids if made.order(order_id).status is Status.PENDING and not made.times(order_id)]
    assert all((made.order(order_id).next_poll_at or 0) <= (booked[order_id] or 0) for order_id in left)
    made.run(5 + len(left) + len(left) / 40 + 2)
    assert all(made.times(order_id) for order_id in left)


def test_a_returned_slot_goes_to_an_order_that_had_none_before_its_deadline(make: Make) -> None:
    made = make(Rate(1, 5, 1), ceiling=12)
    submit(made, 5)
    made.at(2, lambda: made.cancel("ord-1"))
    made.run(11)
    assert len({sent.order_id for sent in made.sent}) == 3


def test_the_state_of_an_account_shows_how_far_ahead_it_is_booked(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    submit(made, 50)
    made.run(0.5)
    state = made.context.stores.accounts.state(ACCOUNT, made.account.rate)
    assert state.booked == 49
    assert state.booked_until == pytest.approx(START + 49 * 1.01, abs=0.1)


# Sooner is never later


@pytest.mark.parametrize("requester", list(Requester))
def test_expediting_an_order_makes_no_other_later(make: Make, requester: Requester) -> None:
    made = make(Rate(1, 1, 1))
    submit(made, 80)
    made.run(0.5)
    before = made.order("ord-10").next_poll_at or 0.0
    assert before < START + 11
    made.hint("ord-10", requester)
    made.run(12)
    assert len(made.times("ord-10")) == 1
    assert made.times("ord-10")[0] <= before - START + 0.01


def test_a_push_beyond_the_express_share_does_not_move_its_order(make: Make) -> None:
    made = make(Rate(10, 1, 1), interval=[60, 60])
    ids = submit(made, 50)
    made.run(50)
    due = {order_id: made.order(order_id).next_poll_at for order_id in ids}
    submit(made, 200, "crowd")
    for order_id in ids:
        made.hint(order_id)
    made.run(200)
    second = {order_id: made.times(order_id)[1] for order_id in ids}
    assert all(second[order_id] <= max((due[order_id] or 0) - START, 50 + 251 * 0.102) + 1 for order_id in ids)


def test_pushes_for_many_orders_of_an_idle_account_use_its_whole_rate(make: Make) -> None:
    made = make(Rate(10, 1, 1), interval=[3_000, 3_000])
    ids = submit(made, 200)
    made.run(100)
    for order_id in ids:
        made.hint(order_id)
    made.run(130)
    assert sum(len(made.times(order_id)) == 2 for order_id in ids) == 200


def test_a_provider_may_expedite_an_order_a_few_times_then_every_half_minute(make: Make) -> None:
    made = make(Rate(100, 1, 100), interval=[3_000, 3_000], minimum=0)
    submit(made, 1)
    for n in range(1, 1_000):
        made.at(n / 10, lambda: made.hint("ord-0"))
    made.run(99)
    assert len(made.times("ord-0")) <= 1 + 3 + 4
    assert made.times("ord-0")[3] < 1


def test_a_changed_order_can_be_expedited_by_its_provider_again(make: Make) -> None:
    made = make(Rate(100, 1, 100), interval=[3_000, 3_000], minimum=0)
    made.answers = lambda order, at: NotReady() if at < 5 else Issued(tickets=())  # noqa: ARG005 - the shape
    submit(made, 1)
    for _ in range(5):
        made.hint("ord-0")
        made.run(made.now + 1)
    assert made.redis.hget(keys.order("ord-0"), "hinted")
    made.hint("ord-0", Requester.OPERATOR)
    made.run(made.now + 1)
    assert made.redis.hget(keys.order("ord-0"), "hinted") is None


@pytest.mark.parametrize(
    ("rate", "requester"),
    [
        (Rate(10, 1, 10), Requester.PROVIDER),
        pytest.param(Rate(10, 1, 1), Requester.PROVIDER, marks=pytest.mark.proof),
        pytest.param(Rate(10, 1, 10), Requester.OPERATOR, marks=pytest.mark.proof),
    ],
)
def test_a_flood_of_pushes_does_not_delay_other_orders(make: Make, rate: Rate, requester: Requester) -> None:
    def others(*, flooded: bool) -> list[float]:
        made = make(rate, interval=[20, 20])
        ids = submit(made, 25, "flooded")
        submit(made, 60, "due")
        made.run(15)
        for n in range(3_000 if flooded else 0):
            made.at(15 + n / 50, lambda n=n: made.hint(ids[n % 25], requester))
        for n in range(60):
            made.at(15 + n, lambda n=n: made.submit(f"new-{n}"))
        made.run(75)
        waits = [made.times(f"new-{n}")[0] - 15 - n for n in range(59)]
        assert most_over([sent.at for sent in made.sent], rate) <= 1e-6
        return waits + [made.times(f"due-{n}")[-1] / 10 for n in range(60)]

    calm, flooded = others(flooded=False), others(flooded=True)
    assert max(after - before for before, after in zip(calm, flooded, strict=True)) < 1.5
    assert sum(flooded) <= sum(calm) * 1.1 + 6


def test_an_override_does_not_end_a_throttle_that_comes_after_it(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    made.answers = throttled_once(30)
    ids = submit(made, 5)
    made.run(0.01)
    made.hint(ids[3], Requester.OVERRIDE)
    made.run(29)
    assert len(made.sent) == 1
    made.hint(ids[4], Requester.OVERRIDE)
    made.run(29.5)
    assert [sent.order_id for sent in made.sent] == [ids[0], ids[4]]
    made.run(60)
    assert all(made.times(order_id) for order_id in ids)


def test_a_sweep_does_not_move_an_order_behind_its_time(make: Make) -> None:
    made = make(Rate(30, 60, 3), interval=[20, 20])
    ids = submit(made, 14)
    made.run(7)
    before = made.order(ids[0]).next_poll_at or 0
    made.hint(ids[0], Requester.SWEEP)
    made.run(8)
    assert (made.order(ids[0]).next_poll_at or 0) <= before


# A small burst


@pytest.mark.parametrize(
    ("rate", "count", "seconds"),
    [
        (Rate(2, 1, 1), 40, 19.5),
        pytest.param(Rate(10, 1, 1), 200, 19.9, marks=pytest.mark.proof),
        (Rate(10, 1, 2), 200, 19.8),
        pytest.param(Rate(50, 1, 1), 1_000, 19.98, marks=pytest.mark.proof),
    ],
)
def test_a_small_burst_keeps_the_whole_rate(make: Make, rate: Rate, count: int, seconds: float) -> None:
    made = make(rate)
    random = Random(5)
    made.lateness = iter(lambda: random.uniform(0, 0.09), None)
    submit(made, count)
    made.run(100)
    times = [sent.at for sent in made.sent]
    assert len(times) == count
    assert max(times) <= seconds * 1.03 + 0.2
    assert most_over(times, rate) <= 1e-6


def test_missed_slots_get_the_next_tokens(make: Make) -> None:
    made = make(Rate(2, 1, 1))
    late = iter([*[0.0] * 60, *[0.0] * 5, *[3.0] * 5])
    made.lateness = itertools.chain(late, itertools.repeat(0.0))
    submit(made, 60)
    made.run(100)
    times = [sent.at for sent in made.sent]
    assert max(times) < 60 * 0.51 + 4
    assert most_over(times, Rate(2, 1, 1)) <= 1e-6
    assert made.claims < 60 * 4
    order = [sent.order_id for sent in made.sent]
    assert all(order.index(f"ord-{n}") < n + 15 for n in range(60))


def test_throttles_while_many_orders_are_late_cost_only_their_own_time(make: Make) -> None:
    made = make(Rate(40, 1, 40))
    workers_away(made, 0.5, 8)
    requests = itertools.count(1)
    made.answers = lambda order, at: Throttled(retry_after=1) if next(requests) % 40 == 0 else NotReady()  # noqa: ARG005
    ids = submit(made, 300)
    made.run(60)
    first = {order_id: made.times(order_id)[0] for order_id in ids}
    throttled = sum(isinstance(outcome, Throttled) for _, outcome, at in made.answered if at <= max(first.values()))
    assert max(first.values()) < 8 + 300 / 40 + throttled * 1.2 + 1
    assert most_over([sent.at for sent in made.sent], Rate(40, 1, 40)) <= 1e-6


@pytest.mark.parametrize("rate", [Rate(1, 1, 1), Rate(4, 1, 8)])
@pytest.mark.parametrize("keep", [pytest.param(0, marks=pytest.mark.proof), 3])
def test_tokens_of_late_orders_are_returned_when_the_orders_are_cancelled(make: Make, rate: Rate, keep: int) -> None:
    made = make(rate, interval=[3_000, 3_000])
    workers_away(made, 0.5, 300)
    ids = submit(made, 100)
    made.run(301)
    waiting = [order_id for order_id in ids if not made.times(order_id)]
    for order_id in waiting[keep:]:
        made.cancel(order_id)
    submit(made, 5, "new")
    made.run(400)
    late = max(made.times(order_id)[0] for order_id in [*waiting[:keep], *(f"new-{n}" for n in range(5))])
    assert late < 301 + (keep + 5 + 2) / rate.limit + 1
    assert most_over([sent.at for sent in made.sent], rate) <= 1e-6


def test_tokens_of_late_orders_are_returned_when_their_account_is_paused(make: Make) -> None:
    made = make(Rate(1, 1, 1), interval=[3_000, 3_000])
    workers_away(made, 0.5, 300)
    ids = submit(made, 100)
    made.run(301)
    made.context.stores.accounts.pause(ACCOUNT, None)
    made.run(500)
    made.resume()
    made.run(620)
    assert all(made.times(order_id) for order_id in ids)
    assert most_over([sent.at for sent in made.sent], Rate(1, 1, 1)) <= 1e-6


def outage(made: World, start: float, end: float, late: float) -> None:
    """Make all messages that are due meanwhile so many seconds late."""
    made.lateness = iter(lambda: late if start <= made.now < end else 0.0, None)


def test_throttles_while_many_have_missed_their_slots_cost_no_tokens_beyond_their_time(make: Make) -> None:
    rate = Rate(10, 1, 1)
    made = make(rate, interval=[3_000, 3_000], minimum=0)
    told: list[float] = []

    def answers(order: Order, at: float) -> Outcome:  # noqa: ARG001 - the shape
        if at > 3 * (len(told) + 1) and len(told) < 6:
            told.append(at)
            return Throttled(retry_after=1)
        return NotReady()

    made.answers = answers
    outage(made, 0, 15, 2.5)
    submit(made, 600)
    made.run(30)
    assert len(told) == 6
    before = len(made.sent)
    made.run(50)
    assert most_over([sent.at for sent in made.sent], rate) <= 1e-6
    assert len(made.sent) - before >= 20 * 10 / 1.02 - 3
    assert made.claims < 600 * 8


def test_outages_that_all_late_orders_miss_again_cost_no_tokens(make: Make) -> None:
    rate = Rate(5, 1, 2)
    made = make(rate, interval=[3_000, 3_000])
    made.lateness = iter(lambda: 3.0 if int(made.now / 5) % 2 else 0.0, None)
    submit(made, 200)
    made.run(60)
    made.lateness = itertools.repeat(0.0)
    before, left = len(made.sent), 200 - len(made.sent)
    made.run(66)
    assert len(made.sent) - before >= min(left, 6 * 5 - 2)
    made.run(200)
    assert len(made.sent) == 200
    assert most_over([sent.at for sent in made.sent], rate) <= 1e-6


def test_late_orders_that_are_cancelled_leave_no_gap(make: Make) -> None:
    made = make(Rate(1, 1, 1), minimum=0)
    outage(made, 0, 5, 60)
    ids = submit(made, 300)
    made.run(100)
    for order_id in ids:
        made.cancel(order_id)
    made.submit("new")
    made.run(103)
    assert made.times("new") == [pytest.approx(100, abs=1.1)]
    assert not made.redis.exists(*(key(ACCOUNT) for key in (keys.bookings, keys.express_bookings, keys.late_bookings)))


# Reservations of other requests


def test_a_document_gets_its_token_at_its_slot_on_a_busy_account(make: Make) -> None:
    made = make(Rate(2, 1, 1))
    submit(made, 100)
    made.run(1)
    reserve = made.context.stores.accounts.reserve_token
    first = reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "x")
    assert not first.granted
    assert reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "x").at == first.at
    submit(made, 100, "behind")
    granted = []
    made.at(
        (first.at or 0) - START, lambda: granted.append(reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "x"))
    )
    made.run((first.at or 0) - START + 1)
    assert granted[0].granted


def test_abandoned_bookings_are_removed(make: Make) -> None:
    made = make(Rate(1, 60, 1))
    submit(made, 1)
    made.run(1)
    reserve = made.context.stores.accounts.reserve_token
    assert not reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "gone").granted
    made.set_clock(7_200)
    assert reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "a").granted
    assert not reserve(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "b").granted
    assert made.redis.zrange(keys.bookings(ACCOUNT), 0, -1) == ["documents:b"]


def test_a_reservation_of_a_held_account_books_nothing(make: Make) -> None:
    made = make(Rate(2, 1, 1))
    made.context.stores.accounts.pause(ACCOUNT, None)
    reservation = made.context.stores.accounts.reserve_token(ACCOUNT, made.account.rate, BookingKind.DOCUMENTS, "x")
    assert (reservation.granted, reservation.at) == (False, None)
    assert not made.redis.exists(keys.bookings(ACCOUNT))


def test_an_order_that_gets_its_token_at_once_touches_no_booking(make: Make) -> None:
    made = make(Rate(100, 1, 100))
    submit(made, 20)
    made.run(1)
    assert len(made.sent) == 20
    assert not made.redis.exists(keys.bookings(ACCOUNT), keys.express_bookings(ACCOUNT))


def test_a_push_for_an_order_that_is_already_due_returns_when(make: Make) -> None:
    made = make(Rate(1, 1, 1))
    submit(made, 30)
    made.run(0.5)
    asked = request_poll(made.context, "ord-20", ANNA)
    assert asked.outcome is ExpediteOutcome.SENT
    made.run(40)
    assert made.times("ord-20")[0] == pytest.approx((asked.at or 0) - START, abs=1.1)
