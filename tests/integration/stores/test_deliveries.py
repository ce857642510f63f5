"""Deliveries: created with the event, claimed once, superseded, sent again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.stores.conftest import ACCOUNT, Desk
from tests.waiting import STALL
from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.orders.model import Attention, Status
from willcall.stores import keys
from willcall.stores.deliveries import (
    MOST_ATTEMPTS,
    DeliveryAttempt,
    DeliveryClaim,
    DeliveryMessage,
    DeliveryVerdict,
    PendingSummary,
)
from willcall.stores.listing import OrderQuery

URL = "https://backend.example/hooks"
HOST = "backend.example"

GIVEN_UP = DeliveryDecision(CallbackStatus.UNDELIVERABLE)
DELIVERED = DeliveryDecision(CallbackStatus.DELIVERED)


def fulfilled(desk: Desk, order_id: str = "ord-1", url: str | None = URL) -> DeliveryMessage:
    """Fulfil an order and return the first message about it."""
    desk.submit(order_id, callback_url=url)
    desk.commit(desk.go(order_id=order_id), event=True, status=Status.FULFILLED, finished_at=desk.now())
    return DeliveryMessage(order_id, "evt-1", 1, HOST)


def partial(desk: Desk) -> DeliveryMessage:
    desk.submit(callback_url=URL)
    desk.commit(desk.go(), event=True, status=Status.PARTIAL, due_at=desk.now() - 1)
    return DeliveryMessage("ord-1", "evt-1", 1, HOST)


def claim(
    desk: Desk, message: DeliveryMessage, claim_id: str = "", lease: float = 3_600, postpone: float = 0
) -> DeliveryClaim:
    """By default every message has a claim id of its own, as in a worker."""
    return desk.stores.deliveries.claim(message, claim_id or repr(message), lease, postpone)


def settle(
    desk: Desk, message: DeliveryMessage, decision: DeliveryDecision, claim_id: str = "", status: int = 500
) -> tuple[DeliveryMessage, float] | None:
    made = DeliveryAttempt(desk.now(), message.event_id, "order.fulfilled", status, "", decision.wait)
    return desk.stores.deliveries.record_delivery(message, claim_id or repr(message), made, decision)


def try_once(desk: Desk, message: DeliveryMessage, decision: DeliveryDecision) -> tuple[DeliveryMessage, float] | None:
    assert claim(desk, message).verdict is DeliveryVerdict.GO
    return settle(desk, message, decision)


def bring_forward(desk: Desk, order_id: str = "ord-1") -> None:
    desk.redis.hset(keys.delivery(order_id), "due", 1)
    desk.redis.zadd(keys.DELIVERIES_DUE, {order_id: 1})


def attention(desk: Desk) -> tuple[Attention | None, list[str]]:
    listed = desk.stores.listing.page(OrderQuery(attention=frozenset()), 10).orders
    return desk.order().attention, [order.id for order in listed]


def test_an_orders_events_are_found_in_the_feed_oldest_first_until_they_are_pruned(desk: Desk) -> None:
    fulfilled(desk, "other", None)
    partial(desk)
    desk.commit(desk.go(2), event=True, status=Status.FULFILLED, finished_at=desk.now())
    events = desk.stores.events.list_for_order("ord-1")
    assert [(event.id, event.type, event.order_id) for event in events] == [
        ("evt-1", "order.partial", "ord-1"),
        ("evt-2", "order.fulfilled", "ord-1"),
    ]
    assert len(desk.stores.events.list_for_order("other")) == 1
    assert desk.stores.events.list_for_order("nobody") == []
    desk.redis.xdel(keys.EVENTS, events[0].cursor)
    assert [event.id for event in desk.stores.events.list_for_order("ord-1")] == ["evt-2"]


def test_a_delivery_is_filed_with_the_event_where_there_is_a_callback_url(desk: Desk) -> None:
    message = fulfilled(desk)
    fulfilled(desk, "quiet", url=None)
    granted = claim(desk, message)
    [event, _] = desk.stores.events.list_after(None, 10)
    assert (granted.verdict, granted.event, granted.url, granted.tries) == (DeliveryVerdict.GO, event, URL, 0)
    assert desk.redis.zrange(keys.DELIVERIES_DUE, 0, -1) == ["ord-1"]
    assert desk.stores.deliveries.get("quiet") is None


def test_what_is_delivered_is_not_delivered_again_and_keeps_no_copy_of_the_event(desk: Desk) -> None:
    message = fulfilled(desk)
    assert try_once(desk, message, DELIVERED) is None
    assert claim(desk, message, "b").verdict is DeliveryVerdict.STALE
    assert desk.redis.zcard(keys.DELIVERIES_DUE) == 0
    assert desk.redis.hget(keys.delivery("ord-1"), "data") is None


def test_only_one_copy_of_a_message_delivers(desk: Desk) -> None:
    message = fulfilled(desk)
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda n: claim(desk, message, str(n)).verdict, range(8)))
    assert sorted(verdicts) == ["busy"] * 7 + ["go"]


def test_a_copy_of_an_earlier_attempt_is_stale(desk: Desk) -> None:
    message = fulfilled(desk)
    again = try_once(desk, message, DeliveryDecision(CallbackStatus.PENDING, 3_600))
    assert again == (DeliveryMessage("ord-1", "evt-1", 2, HOST), pytest.approx(3_600, abs=0.01))
    assert claim(desk, message, "copy").verdict is DeliveryVerdict.STALE
    early = claim(desk, again[0])
    assert (early.verdict, early.next_message) == (DeliveryVerdict.WAIT, again[0])
    assert early.wait == pytest.approx(3_600, abs=STALL)
    bring_forward(desk)
    assert claim(desk, again[0]).tries == 1


def test_a_worker_that_dies_during_delivery_is_followed_by_another_after_the_lease(desk: Desk) -> None:
    message = fulfilled(desk)
    assert claim(desk, message, "dead", lease=0).verdict is DeliveryVerdict.GO
    alive = claim(desk, message, "alive")
    assert alive.verdict is DeliveryVerdict.GO
    assert alive.event is not None
    assert alive.event.id == "evt-1"
    assert settle(desk, message, GIVEN_UP, "dead") is None
    assert desk.order().attention is None
    settle(desk, message, DELIVERED, "alive")
    assert [each.http_status for each in desk.stores.deliveries.attempts("ord-1")] == [500, 500]


def test_a_claim_or_result_can_be_repeated_if_its_reply_was_lost(desk: Desk) -> None:
    message = fulfilled(desk)
    assert [claim(desk, message).verdict for _ in range(2)] == [DeliveryVerdict.GO] * 2
    again = settle(desk, message, DeliveryDecision(CallbackStatus.PENDING, 60))
    repeated = settle(desk, message, DeliveryDecision(CallbackStatus.PENDING, 60))
    assert again is not None
    assert repeated is not None
    assert repeated[0] == again[0]
    assert len(desk.stores.deliveries.attempts("ord-1")) == 1


def test_a_newer_event_supersedes_one_that_is_not_delivered(desk: Desk) -> None:
    older = partial(desk)
    again = try_once(desk, older, DeliveryDecision(CallbackStatus.PENDING, 5))
    assert again is not None
    desk.commit(desk.go(2), event=True, status=Status.FULFILLED, finished_at=desk.now())
    bring_forward(desk)
    assert [claim(desk, each, "b").verdict for each in (older, again[0])] == [DeliveryVerdict.STALE] * 2
    newer = claim(desk, DeliveryMessage("ord-1", "evt-2", 1, HOST), "b")
    assert newer.event is not None
    assert (newer.event.type, newer.tries) == ("order.fulfilled", 0)
    assert [event.id for event in desk.stores.events.list_after(None, 10)] == ["evt-1", "evt-2"]


@pytest.mark.parametrize("decision", [DELIVERED, GIVEN_UP, DeliveryDecision(CallbackStatus.PENDING, 5)])
def test_an_event_that_comes_while_the_older_is_being_delivered_follows_it(
    desk: Desk, decision: DeliveryDecision
) -> None:
    older, newer = partial(desk), DeliveryMessage("ord-1", "evt-2", 1, HOST)
    claim(desk, older)
    desk.commit(desk.go(2), event=True, status=Status.FULFILLED, finished_at=desk.now())
    assert claim(desk, newer, "b").verdict is DeliveryVerdict.BUSY
    assert settle(desk, older, decision) == (newer, 0.0)
    assert claim(desk, newer, "b").verdict is DeliveryVerdict.GO
    assert desk.order().attention is None


def test_a_delivery_that_is_postponed_is_not_overdue_meanwhile(desk: Desk) -> None:
    message = fulfilled(desk)
    later = claim(desk, message, postpone=60)
    assert later.next_message == DeliveryMessage("ord-1", "evt-1", 2, HOST)
    assert later.wait == pytest.approx(60, abs=0.01)
    assert claim(desk, message, postpone=60).verdict is DeliveryVerdict.STALE
    assert desk.stores.deliveries.resend_deliveries(0, 0, 10) == (0, [])


def test_an_overdue_delivery_is_sent_again_once_per_doubling_period(desk: Desk) -> None:
    message = fulfilled(desk)
    bring_forward(desk)
    overdue = desk.stores.deliveries.resend_deliveries
    for period in (2_000, 4_000, 8_000):
        assert overdue(1_000.0, 0, 10) == (1, [message])
        resend_at = float(desk.redis.hget(keys.delivery("ord-1"), "resend_at") or 0)
        assert resend_at == pytest.approx((desk.now() + period) * 1_000, abs=STALL * 1_000)
        assert overdue(1_000.0, 0, 10) == (1, [])
        desk.redis.hset(keys.delivery("ord-1"), "resend_at", 1)
    claim(desk, message)
    assert overdue(0.001, 0, 10)[1] == []


def test_a_delivery_in_a_long_queue_is_not_sent_again(desk: Desk) -> None:
    now = desk.now()
    for n in range(6):
        fulfilled(desk, f"ord-{n}")
        due = int((now - 500 + n * 10) * 1_000)
        desk.redis.hset(keys.delivery(f"ord-{n}"), "due", due)
        desk.redis.zadd(keys.DELIVERIES_DUE, {f"ord-{n}": due})
    claim(desk, DeliveryMessage("ord-4", "evt-1", 1, HOST))
    resent = desk.stores.deliveries.resend_deliveries(15.0, 0, 20)[1]
    assert [each.subject for each in resent] == ["ord-0", "ord-1", "ord-2"]


def test_attention_is_set_by_the_last_failed_delivery_and_cleared_by_a_newer_event(desk: Desk) -> None:
    try_once(desk, partial(desk), GIVEN_UP)
    assert attention(desk) == (Attention.UNDELIVERABLE, ["ord-1"])
    desk.commit(desk.go(2), event=True, status=Status.FULFILLED, finished_at=desk.now())
    assert attention(desk) == (None, [])


def test_polls_do_not_clear_the_attention_of_a_failed_delivery(desk: Desk) -> None:
    message = partial(desk)
    read_before = desk.go(2)
    try_once(desk, message, GIVEN_UP)
    desk.commit(read_before, due_at=desk.now() - 1)
    assert attention(desk) == (Attention.UNDELIVERABLE, ["ord-1"])
    read_with = desk.go(3)
    assert read_with.attention is Attention.UNDELIVERABLE
    desk.stores.deliveries.redeliver("ord-1")
    desk.commit(read_with, due_at=desk.now() - 1)
    assert attention(desk) == (None, [])


def test_a_failed_delivery_waits_until_another_reason_for_attention_is_over(desk: Desk) -> None:
    message = partial(desk)
    desk.commit(desk.go(2), attention=Attention.MALFORMED, due_at=desk.now() - 1)
    try_once(desk, message, GIVEN_UP)
    assert attention(desk) == (Attention.MALFORMED, ["ord-1"])
    desk.commit(desk.go(3), attention=None, due_at=desk.now() - 1)
    assert attention(desk) == (Attention.UNDELIVERABLE, ["ord-1"])
    desk.commit(desk.go(4), attention=Attention.MALFORMED, due_at=desk.now() - 1)
    desk.stores.deliveries.redeliver("ord-1")
    assert attention(desk) == (Attention.MALFORMED, ["ord-1"])


def test_the_start_of_attention_is_kept_while_the_reason_stays(desk: Desk) -> None:
    desk.submit(callback_url=URL)
    assert desk.order().attention_at is None
    desk.commit(desk.go(), attention=Attention.MALFORMED, due_at=desk.now() - 1)
    assert desk.order().attention_at == pytest.approx(desk.now(), abs=STALL)
    desk.redis.hset(keys.order("ord-1"), "attention_at", 1_000)
    desk.commit(desk.go(2), attention=Attention.MALFORMED, due_at=desk.now() - 1)
    assert desk.order().attention_at == 1.0
    desk.commit(desk.go(3), attention=Attention.NOT_FOUND, due_at=desk.now() - 1)
    assert desk.order().attention_at == pytest.approx(desk.now(), abs=STALL)
    desk.commit(desk.go(4), attention=None, due_at=desk.now() - 1)
    assert desk.order().attention_at is None


def test_an_undeliverable_order_needs_attention_until_it_is_redelivered(desk: Desk) -> None:
    try_once(desk, fulfilled(desk), GIVEN_UP)
    assert desk.order().attention_at == pytest.approx(desk.now(), abs=STALL)
    desk.stores.deliveries.redeliver("ord-1")
    assert desk.order().attention_at is None


def test_what_is_still_to_be_delivered_is_counted_and_the_oldest_dated_by_its_event(desk: Desk) -> None:
    pending = desk.stores.deliveries.pending
    assert pending() == PendingSummary(0)
    first, second = fulfilled(desk, "first"), fulfilled(desk, "second")
    events = [event.occurred_at for event in desk.stores.events.list_after(None, 10)]
    assert pending() == PendingSummary(2, events[0], "first")
    assert desk.stores.deliveries.oldest(5) == [("first", events[0]), ("second", events[1])]
    assert desk.stores.deliveries.oldest(1) == [("first", events[0])]
    again = try_once(desk, first, DeliveryDecision(CallbackStatus.PENDING, 60))
    assert pending() == PendingSummary(2, events[0], "first")
    assert again is not None
    bring_forward(desk, "first")
    try_once(desk, again[0], GIVEN_UP)
    assert pending() == PendingSummary(1, events[1], "second")
    try_once(desk, second, DELIVERED)
    assert pending() == PendingSummary(0)


def test_what_was_delivered_and_is_redelivered_is_pending_since_then_however_often_that_fails(desk: Desk) -> None:
    try_once(desk, fulfilled(desk), DELIVERED)
    desk.redis.hset(keys.delivery("ord-1"), "at", 1_000)
    again = desk.stores.deliveries.redeliver("ord-1")
    since = desk.stores.deliveries.pending()
    assert since == PendingSummary(1, pytest.approx(desk.now(), abs=60), "ord-1")
    assert again is not None
    try_once(desk, again, GIVEN_UP)
    desk.stores.deliveries.redeliver("ord-1")
    assert desk.stores.deliveries.pending() == since


@pytest.mark.parametrize("tried", [(), (DeliveryDecision(CallbackStatus.PENDING, 60),), (GIVEN_UP,)])
def test_redelivering_what_was_not_delivered_changes_nothing_of_since_when_it_is_pending(
    desk: Desk, tried: tuple[DeliveryDecision, ...]
) -> None:
    message = fulfilled(desk)
    began = desk.now() - 1_400
    desk.redis.hset(keys.delivery("ord-1"), "at", round(began * 1_000))
    desk.redis.zadd(keys.DELIVERIES_PENDING, {"ord-1": round(began * 1_000)})
    for decision in tried:
        try_once(desk, message, decision)
    for _ in range(2):
        desk.stores.deliveries.redeliver("ord-1")
        assert desk.stores.deliveries.pending() == PendingSummary(1, pytest.approx(began, abs=0.01), "ord-1")


def test_a_newer_event_is_pending_since_it_came_whatever_was_redelivered_before(desk: Desk) -> None:
    try_once(desk, partial(desk), DELIVERED)
    desk.stores.deliveries.redeliver("ord-1")
    desk.redis.hset(keys.delivery("ord-1"), "since", 1_000)
    desk.commit(desk.go(2), event=True, status=Status.FULFILLED, finished_at=desk.now())
    *_, event = desk.stores.events.list_after(None, 10)
    try_once(desk, DeliveryMessage("ord-1", event.id, 1, HOST), GIVEN_UP)
    desk.stores.deliveries.redeliver("ord-1")
    assert desk.stores.deliveries.pending() == PendingSummary(1, event.occurred_at, "ord-1")


def test_a_redelivery_starts_a_new_schedule_with_the_same_event(desk: Desk) -> None:
    try_once(desk, fulfilled(desk), GIVEN_UP)
    message = desk.stores.deliveries.redeliver("ord-1")
    assert message == DeliveryMessage("ord-1", "evt-1", 2, HOST)
    assert attention(desk) == (None, [])
    granted = claim(desk, message)
    assert (granted.verdict, granted.tries) == (DeliveryVerdict.GO, 0)


def test_what_was_delivered_can_be_redelivered_while_the_feed_has_it(desk: Desk) -> None:
    first = fulfilled(desk)
    told = claim(desk, first).event
    settle(desk, first, DELIVERED)
    message = desk.stores.deliveries.redeliver("ord-1")
    assert message is not None
    assert claim(desk, message).event == told
    settle(desk, message, DELIVERED)
    desk.stores.events.prune(desk.now() + 10)
    with pytest.raises(LookupError):
        desk.stores.deliveries.redeliver("ord-1")
    assert desk.redis.zcard(keys.DELIVERIES_DUE) == 0


def test_a_redelivery_during_a_delivery_happens_only_if_that_one_fails(desk: Desk) -> None:
    for order_id, decision, follows in (("good", DELIVERED, False), ("bad", GIVEN_UP, True)):
        message = fulfilled(desk, order_id)
        claim(desk, message)
        assert desk.stores.deliveries.redeliver(order_id) == DeliveryMessage(order_id, "evt-1", 2, HOST)
        assert settle(desk, message, decision) == (
            (DeliveryMessage(order_id, "evt-1", 2, HOST), 0.0) if follows else None
        )


def test_there_is_nothing_to_redeliver_before_the_first_event(desk: Desk) -> None:
    desk.submit(callback_url=URL)
    assert desk.stores.deliveries.redeliver("ord-1") is None


def test_a_delivery_outlives_the_events_in_the_feed(desk: Desk) -> None:
    message = fulfilled(desk)
    desk.stores.events.prune(desk.now() + 10)
    event = claim(desk, message).event
    assert event is not None
    assert event.id == "evt-1"


def test_an_order_is_not_pruned_before_its_backend_was_notified(desk: Desk) -> None:
    message = fulfilled(desk)
    assert desk.stores.orders.prune(desk.now() + 10, 10) == (1, 0)
    try_once(desk, message, DELIVERED)
    assert desk.stores.orders.prune(desk.now() + 10, 10) == (1, 1)
    left = {key for key in desk.redis.scan_iter() if "ord-1" in key}
    assert left == set()


def test_a_result_for_a_removed_order_leaves_nothing_behind(desk: Desk) -> None:
    message = fulfilled(desk)
    claim(desk, message)
    desk.redis.delete(keys.delivery("ord-1"))
    assert settle(desk, message, DELIVERED) is None
    assert not desk.redis.exists(keys.delivery_attempts("ord-1"), keys.delivery("ord-1"))


def test_the_delivery_log_keeps_the_latest_attempts(desk: Desk) -> None:
    message = fulfilled(desk)
    for status in range(MOST_ATTEMPTS + 5):
        claim(desk, message)
        again = settle(desk, message, DeliveryDecision(CallbackStatus.PENDING, 0), status=status)
        assert again is not None
        message = again[0]
        bring_forward(desk)
    assert [each.http_status for each in desk.stores.deliveries.attempts("ord-1")] == list(range(5, MOST_ATTEMPTS + 5))


def test_the_state_of_a_delivery_can_be_read(desk: Desk) -> None:
    message = fulfilled(desk)
    stands = desk.stores.deliveries.get("ord-1")
    assert stands is not None
    assert (stands.event_id, stands.event_type, stands.status) == ("evt-1", "order.fulfilled", CallbackStatus.PENDING)
    assert stands.next_try_at == pytest.approx(desk.now(), abs=STALL)
    try_once(desk, message, DELIVERED)
    stands = desk.stores.deliveries.get("ord-1")
    assert stands is not None
    assert (stands.status, stands.next_try_at) == (CallbackStatus.DELIVERED, None)
    assert desk.stores.listing.counts(ACCOUNT)[Status.FULFILLED] == 1
