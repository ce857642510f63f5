"""Fulfilled orders are polled until their event, in case the provider cancels them: on virtual time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.virtual_time import ACCOUNT, START, World, world
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import EndedBy, Order, Status, Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Issued, Missing, NotReady, Outcome, Throttled, Unavailable
from willcall.orders.policy import Rate
from willcall.orders.ticket_ids import with_ids
from willcall.stores import keys
from willcall.usecases.accounts import pause

if TYPE_CHECKING:
    from redis import Redis

HOUR, DAY = 3_600.0, 86_400.0
#: Seconds between two runs of the sweep, so that days pass quickly.
SWEEP = 1_200.0
TICKETS = (Ticket(TicketKind.BARCODE, code="1"),)


@pytest.fixture
def made(redis: "Redis", redis_server: EmbeddedRedis) -> Iterator[World]:
    with world(redis, redis_server.url, Rate(10, 1, 10), interval=[HOUR, HOUR]) as each:
        each.answers = lambda _order, _at: Issued(tickets=TICKETS)
        yield each


def submit(made: World, order_id: str, event_in: float | None) -> None:
    moment = None if event_in is None else datetime.fromtimestamp(START + event_in, UTC).isoformat()
    made.submit(order_id, event_at=moment)


def watch(made: World, until: float) -> None:
    """Let time pass, with a run of the sweep now and then."""
    moment = made.now
    while moment < until:
        made.at(moment, lambda: run_sweep(made.context, "watch"))
        moment += SWEEP
    made.run(until, sweeps=DAY)


def test_an_order_that_the_provider_cancels_before_the_event_is_cancelled_within_the_hour(made: World) -> None:
    gone = 2 * DAY - 5 * HOUR

    def answers(_: Order, at: float) -> Outcome:
        return Issued(tickets=TICKETS) if at < gone else Cancelled(reason="the show is off")

    made.answers = answers
    submit(made, "ord-1", 2 * DAY)
    watch(made, 2 * DAY)
    order = made.order("ord-1")
    assert (order.status, order.reason, order.ended_by) == (Status.CANCELLED, "the show is off", EndedBy.PROVIDER)
    assert gone <= (order.finished_at or 0.0) - START <= gone + HOUR + 2 * SWEEP
    events = made.context.stores.events.list_after(None, 10)
    assert [event.type for event in events] == ["order.fulfilled", "order.cancelled"]


def test_it_is_polled_every_six_hours_then_every_hour_and_never_from_the_event_on(made: World) -> None:
    submit(made, "ord-1", 2.5 * DAY)
    submit(made, "no-event", None)
    watch(made, 3 * DAY)
    times = made.times("ord-1")
    gaps = [(before, after - before) for before, after in pairwise(times)]
    assert all(6 * HOUR <= gap <= 6 * HOUR + 2 * SWEEP for at, gap in gaps if at < 1.5 * DAY - 6 * HOUR - 2 * SWEEP)
    assert all(HOUR <= gap <= HOUR + 2 * SWEEP for at, gap in gaps if at >= 1.5 * DAY)
    assert 2.5 * DAY - HOUR - 2 * SWEEP <= times[-1] < 2.5 * DAY
    without = [after - before for before, after in pairwise(made.times("no-event"))]
    assert len(without) > 9
    assert all(6 * HOUR <= gap <= 6 * HOUR + 2 * SWEEP for gap in without)
    watch(made, 7 * DAY + 7 * HOUR)
    assert made.times("no-event")[-1] < 7 * DAY + SWEEP
    assert made.redis.zcard(keys.watched(ACCOUNT)) == 0


def test_a_check_that_finds_nothing_new_leaves_one_line_and_no_attention(made: World) -> None:
    submit(made, "ord-1", 2 * DAY)
    watch(made, DAY)
    timeline = made.context.stores.orders.timeline("ord-1")
    assert [attempt.why for attempt in timeline] == ["fulfilled", "still fulfilled"]
    assert made.order("ord-1").attempts > 2
    made.answers = lambda _order, _at: Missing()
    watch(made, 2 * DAY)
    order = made.order("ord-1")
    assert (order.status, order.attention, order.tickets) == (Status.FULFILLED, None, with_ids(TICKETS))
    assert len(made.context.stores.events.list_after(None, 10)) == 1


def test_a_hint_of_the_provider_is_honoured(made: World) -> None:
    submit(made, "ord-1", 2 * DAY)
    watch(made, HOUR)
    made.answers = lambda _order, _at: Throttled(retry_after=20 * HOUR)
    watch(made, 10 * HOUR)
    asked = made.times("ord-1")[-1]
    made.answers = lambda _order, _at: Issued(tickets=TICKETS)
    watch(made, 1.5 * DAY)
    assert made.times("ord-1")[2] >= asked + 20 * HOUR


def test_a_provider_that_is_down_is_not_asked_after_the_event(made: World) -> None:
    submit(made, "ord-1", DAY)
    watch(made, HOUR / 2)
    made.answers = lambda _order, _at: Unavailable()
    watch(made, 1.2 * DAY)
    assert max(made.times("ord-1")) < DAY


def test_no_order_without_tickets_waits_for_such_checks(redis: "Redis", redis_server: EmbeddedRedis) -> None:
    with world(redis, redis_server.url, Rate(1, 1, 1), interval=[100, 100]) as made:
        made.answers = lambda _order, _at: Issued(tickets=TICKETS)
        for number in range(60):
            submit(made, f"old-{number}", 10 * DAY)
        made.run(HOUR)
        assert len(made.sent) == 60
        made.answers = lambda order, _at: NotReady() if order.id == "new" else Issued(tickets=TICKETS)
        made.set_clock(8 * HOUR)
        made.submit("new")
        for moment in range(10):
            made.at(8 * HOUR + moment * 60, lambda: run_sweep(made.context, "watch"))
        made.run(8 * HOUR + 599)
        checks = [sent for sent in made.sent[60:] if sent.order_id != "new"]
        assert 40 <= len(checks) <= 60
        assert all(after - before <= 106 for before, after in pairwise(made.times("new")))


def test_a_paused_account_is_not_asked(made: World) -> None:
    submit(made, "ord-1", 2 * DAY)
    watch(made, HOUR)
    pause(made.context, made.account, None, ANNA)
    watch(made, DAY)
    assert len(made.times("ord-1")) == 1
    assert made.redis.zcard(keys.held(ACCOUNT)) == 0


def test_an_order_that_0_2_0_fulfilled_is_watched_and_one_that_is_gone_is_not(made: World) -> None:
    made.answers = lambda _order, _at: NotReady()
    for name in ("old", "gone"):
        submit(made, name, 2 * DAY)
    made.run(HOUR / 2, sweeps=DAY)
    ended = {"status": "fulfilled", "ask": 0, "finished": int((START + made.now) * 1_000)}
    for name in ("old", "gone"):
        made.redis.hset(keys.order(name), mapping=ended)
        made.redis.zrem(keys.due(ACCOUNT), name)
    made.redis.delete(keys.order("gone"), keys.spec("gone"))
    made.answers = lambda _order, _at: Cancelled(reason="off")
    watch(made, DAY)
    assert made.order("old").status is Status.CANCELLED
    assert made.redis.zcard(keys.watched(ACCOUNT)) == 0
