"""Deliveries: created with the event, claimed once, superseded, sent again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
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
from willcall.stores.listing import OrderFilter

URL = "https://backend.example/hooks"
HOST = "backend.example"

GIVEN_UP = DeliveryDecision(CallbackStatus.UNDELIVERABLE)
DELIVERED = DeliveryDecision(CallbackStatus.DELIVERED)


def fulfilled(harness: StoreHarness, order_id: str = "ord-1", url: str | None = URL) -> DeliveryMessage:
    """Fulfil an order and return the first message about it."""
    harness.submit(order_id, callback_url=url)
    harness.commit(harness.go(order_id=order_id), event=True, status=Status.FULFILLED, finished_at=harness.now())
    return DeliveryMessage(order_id, "evt-1", 1, HOST)


def partial(harness: StoreHarness) -> DeliveryMessage:
    harness.submit(callback_url=URL)
    harness.commit(harness.go(), event=True, status=Status.PARTIAL, due_at=harness.now() - 1)
    return DeliveryMessage("ord-1", "evt-1", 1, HOST)


def claim(
    harness: StoreHarness, message: DeliveryMessage, claim_id: str = "", lease: float = 3_600, postpone: float = 0
) -> DeliveryClaim:
    """By default every message has a claim id of its own, as in a worker."""
    return harness.stores.deliveries.claim(message, claim_id or repr(message), lease, postpone)


def settle(
    harness: StoreHarness, message: DeliveryMessage, decision: DeliveryDecision, claim_id: str = "", status: int = 500
) -> tuple[DeliveryMessage, float] | None:
    made = DeliveryAttempt(harness.now(), message.event_id, "order.fulfilled", status, "", decision.wait)
    return harness.stores.deliveries.record_delivery(message, claim_id or repr(message), made, decision)


def try_once(
    harness: StoreHarness, message: DeliveryMessage, decision: DeliveryDecision
) -> tuple[DeliveryMessage, float] | None:
    assert claim(harness, message).verdict is DeliveryVerdict.GO
    return settle(harness, message, decision)


def bring_forward(harness: StoreHarness, order_id: str = "ord-1") -> None:
    harness.redis.hset(keys.delivery(order_id), "due", 1)
    harness.redis.zadd(keys.DELIVERIES_DUE, {order_id: 1})


def attention(harness: StoreHarness) -> tuple[Attention | None, list[str]]:
    listed = harness.stores.listing.page(OrderFilter(attention=frozenset()), 10).orders
    return harness.order().attention, [order.id for order in listed]


def test_an_orders_events_are_found_in_the_feed_oldest_first_until_they_are_pruned(harness: StoreHarness) -> None:
    fulfilled(harness, "other", None)
    partial(harness)
    harness.commit(harness.go(2), event=True, status=Status.FULFILLED, finished_at=harness.now())
    events = harness.stores.events.list_for_order("ord-1")
    assert [(event.id, event.type, event.order_id) for event in events] == [
        ("evt-1", "order.partial", "ord-1"),
        ("evt-2", "order.fulfilled", "ord-1"),
    ]
    assert len(harness.stores.events.list_for_order("other")) == 1
    assert harness.stores.events.list_for_order("nobody") == []
    harness.redis.xdel(keys.EVENTS, events[0].cursor)
    assert [event.id for event in harness.stores.events.list_for_order("ord-1")] == ["evt-2"]


def test_a_delivery_is_filed_with_the_event_where_there_is_a_callback_url(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    fulfilled(harness, "quiet", url=None)
    granted = claim(harness, message)
    [event, _] = harness.stores.events.list_after(None, 10)
    assert (granted.verdict, granted.event, granted.url, granted.tries) == (DeliveryVerdict.GO, event, URL, 0)
    assert harness.redis.zrange(keys.DELIVERIES_DUE, 0, -1) == ["ord-1"]
    assert harness.stores.deliveries.get("quiet") is None


def test_a_delivered_event_is_not_sent_again_and_its_copy_is_removed(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    assert try_once(harness, message, DELIVERED) is None
    assert claim(harness, message, "b").verdict is DeliveryVerdict.STALE
    assert harness.redis.zcard(keys.DELIVERIES_DUE) == 0
    assert harness.redis.hget(keys.delivery("ord-1"), "data") is None


def test_only_one_copy_of_a_message_delivers(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda n: claim(harness, message, str(n)).verdict, range(8)))
    assert sorted(verdicts) == ["busy"] * 7 + ["go"]


def test_a_copy_of_an_earlier_attempt_is_stale(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    again = try_once(harness, message, DeliveryDecision(CallbackStatus.PENDING, 3_600))
    assert again == (DeliveryMessage("ord-1", "evt-1", 2, HOST), pytest.approx(3_600, abs=0.01))
    assert claim(harness, message, "copy").verdict is DeliveryVerdict.STALE
    early = claim(harness, again[0])
    assert (early.verdict, early.next_message) == (DeliveryVerdict.WAIT, again[0])
    assert early.wait == pytest.approx(3_600, abs=STALL)
    bring_forward(harness)
    assert claim(harness, again[0]).tries == 1


def test_a_delivery_of_a_killed_worker_is_repeated_after_the_lease(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    assert claim(harness, message, "dead", lease=0).verdict is DeliveryVerdict.GO
    alive = claim(harness, message, "alive")
    assert alive.verdict is DeliveryVerdict.GO
    assert alive.event is not None
    assert alive.event.id == "evt-1"
    assert settle(harness, message, GIVEN_UP, "dead") is None
    assert harness.order().attention is None
    settle(harness, message, DELIVERED, "alive")
    assert [each.http_status for each in harness.stores.deliveries.attempts("ord-1")] == [500, 500]


def test_a_claim_or_result_can_be_repeated_if_its_reply_was_lost(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    assert [claim(harness, message).verdict for _ in range(2)] == [DeliveryVerdict.GO] * 2
    again = settle(harness, message, DeliveryDecision(CallbackStatus.PENDING, 60))
    repeated = settle(harness, message, DeliveryDecision(CallbackStatus.PENDING, 60))
    assert again is not None
    assert repeated is not None
    assert repeated[0] == again[0]
    assert len(harness.stores.deliveries.attempts("ord-1")) == 1


def test_a_newer_event_supersedes_one_that_is_not_delivered(harness: StoreHarness) -> None:
    older = partial(harness)
    again = try_once(harness, older, DeliveryDecision(CallbackStatus.PENDING, 5))
    assert again is not None
    harness.commit(harness.go(2), event=True, status=Status.FULFILLED, finished_at=harness.now())
    bring_forward(harness)
    assert [claim(harness, each, "b").verdict for each in (older, again[0])] == [DeliveryVerdict.STALE] * 2
    newer = claim(harness, DeliveryMessage("ord-1", "evt-2", 1, HOST), "b")
    assert newer.event is not None
    assert (newer.event.type, newer.tries) == ("order.fulfilled", 0)
    assert [event.id for event in harness.stores.events.list_after(None, 10)] == ["evt-1", "evt-2"]


@pytest.mark.parametrize("decision", [DELIVERED, GIVEN_UP, DeliveryDecision(CallbackStatus.PENDING, 5)])
def test_an_event_that_arrives_during_a_delivery_follows_it(harness: StoreHarness, decision: DeliveryDecision) -> None:
    older, newer = partial(harness), DeliveryMessage("ord-1", "evt-2", 1, HOST)
    claim(harness, older)
    harness.commit(harness.go(2), event=True, status=Status.FULFILLED, finished_at=harness.now())
    assert claim(harness, newer, "b").verdict is DeliveryVerdict.BUSY
    assert settle(harness, older, decision) == (newer, 0.0)
    assert claim(harness, newer, "b").verdict is DeliveryVerdict.GO
    assert harness.order().attention is None


def test_a_postponed_delivery_is_not_overdue(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    later = claim(harness, message, postpone=60)
    assert later.next_message == DeliveryMessage("ord-1", "evt-1", 2, HOST)
    assert later.wait == pytest.approx(60, abs=0.01)
    assert claim(harness, message, postpone=60).verdict is DeliveryVerdict.STALE
    assert harness.stores.deliveries.resend_deliveries(0, 0, 10) == (0, [])


def test_an_overdue_delivery_is_sent_again_once_per_doubling_period(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    bring_forward(harness)
    overdue = harness.stores.deliveries.resend_deliveries
    for period in (2_000, 4_000, 8_000):
        assert overdue(1_000.0, 0, 10) == (1, [message])
        resend_at = float(harness.redis.hget(keys.delivery("ord-1"), "resend_at") or 0)
        assert resend_at == pytest.approx((harness.now() + period) * 1_000, abs=STALL * 1_000)
        assert overdue(1_000.0, 0, 10) == (1, [])
        harness.redis.hset(keys.delivery("ord-1"), "resend_at", 1)
    claim(harness, message)
    assert overdue(0.001, 0, 10)[1] == []


def test_a_delivery_in_a_long_queue_is_not_sent_again(harness: StoreHarness) -> None:
    now = harness.now()
    for n in range(6):
        fulfilled(harness, f"ord-{n}")
        due = int((now - 500 + n * 10) * 1_000)
        harness.redis.hset(keys.delivery(f"ord-{n}"), "due", due)
        harness.redis.zadd(keys.DELIVERIES_DUE, {f"ord-{n}": due})
    claim(harness, DeliveryMessage("ord-4", "evt-1", 1, HOST))
    resent = harness.stores.deliveries.resend_deliveries(15.0, 0, 20)[1]
    assert [each.subject for each in resent] == ["ord-0", "ord-1", "ord-2"]


def test_attention_is_set_by_the_last_failed_delivery_and_cleared_by_a_newer_event(harness: StoreHarness) -> None:
    try_once(harness, partial(harness), GIVEN_UP)
    assert attention(harness) == (Attention.UNDELIVERABLE, ["ord-1"])
    harness.commit(harness.go(2), event=True, status=Status.FULFILLED, finished_at=harness.now())
    assert attention(harness) == (None, [])


def test_polls_do_not_clear_the_attention_of_a_failed_delivery(harness: StoreHarness) -> None:
    message = partial(harness)
    read_before = harness.go(2)
    try_once(harness, message, GIVEN_UP)
    harness.commit(read_before, due_at=harness.now() - 1)
    assert attention(harness) == (Attention.UNDELIVERABLE, ["ord-1"])
    read_with = harness.go(3)
    assert read_with.attention is Attention.UNDELIVERABLE
    harness.stores.deliveries.redeliver("ord-1", HOST)
    harness.commit(read_with, due_at=harness.now() - 1)
    assert attention(harness) == (None, [])


def test_a_failed_delivery_waits_until_another_reason_for_attention_is_over(harness: StoreHarness) -> None:
    message = partial(harness)
    harness.commit(harness.go(2), attention=Attention.MALFORMED, due_at=harness.now() - 1)
    try_once(harness, message, GIVEN_UP)
    assert attention(harness) == (Attention.MALFORMED, ["ord-1"])
    harness.commit(harness.go(3), attention=None, due_at=harness.now() - 1)
    assert attention(harness) == (Attention.UNDELIVERABLE, ["ord-1"])
    harness.commit(harness.go(4), attention=Attention.MALFORMED, due_at=harness.now() - 1)
    harness.stores.deliveries.redeliver("ord-1", HOST)
    assert attention(harness) == (Attention.MALFORMED, ["ord-1"])


def test_the_start_of_attention_is_kept_while_the_reason_stays(harness: StoreHarness) -> None:
    harness.submit(callback_url=URL)
    assert harness.order().attention_at is None
    harness.commit(harness.go(), attention=Attention.MALFORMED, due_at=harness.now() - 1)
    assert harness.order().attention_at == pytest.approx(harness.now(), abs=STALL)
    harness.redis.hset(keys.order("ord-1"), "attention_at", 1_000)
    harness.commit(harness.go(2), attention=Attention.MALFORMED, due_at=harness.now() - 1)
    assert harness.order().attention_at == 1.0
    harness.commit(harness.go(3), attention=Attention.NOT_FOUND, due_at=harness.now() - 1)
    assert harness.order().attention_at == pytest.approx(harness.now(), abs=STALL)
    harness.commit(harness.go(4), attention=None, due_at=harness.now() - 1)
    assert harness.order().attention_at is None


def test_an_undeliverable_order_needs_attention_until_it_is_redelivered(harness: StoreHarness) -> None:
    try_once(harness, fulfilled(harness), GIVEN_UP)
    assert harness.order().attention_at == pytest.approx(harness.now(), abs=STALL)
    harness.stores.deliveries.redeliver("ord-1", HOST)
    assert harness.order().attention_at is None


def test_pending_deliveries_are_counted_and_the_oldest_is_dated_by_its_event(harness: StoreHarness) -> None:
    pending = harness.stores.deliveries.pending
    assert pending() == PendingSummary(0)
    first, second = fulfilled(harness, "first"), fulfilled(harness, "second")
    events = [event.occurred_at for event in harness.stores.events.list_after(None, 10)]
    assert pending() == PendingSummary(2, events[0], "first")
    assert harness.stores.deliveries.oldest(5) == [("first", events[0]), ("second", events[1])]
    assert harness.stores.deliveries.oldest(1) == [("first", events[0])]
    again = try_once(harness, first, DeliveryDecision(CallbackStatus.PENDING, 60))
    assert pending() == PendingSummary(2, events[0], "first")
    assert again is not None
    bring_forward(harness, "first")
    try_once(harness, again[0], GIVEN_UP)
    assert pending() == PendingSummary(1, events[1], "second")
    try_once(harness, second, DELIVERED)
    assert pending() == PendingSummary(0)


def test_a_redelivery_is_pending_since_it_was_requested(harness: StoreHarness) -> None:
    try_once(harness, fulfilled(harness), DELIVERED)
    harness.redis.hset(keys.delivery("ord-1"), "at", 1_000)
    again = harness.stores.deliveries.redeliver("ord-1", HOST)
    since = harness.stores.deliveries.pending()
    assert since == PendingSummary(1, pytest.approx(harness.now(), abs=60), "ord-1")
    assert again is not None
    try_once(harness, again, GIVEN_UP)
    harness.stores.deliveries.redeliver("ord-1", HOST)
    assert harness.stores.deliveries.pending() == since


@pytest.mark.parametrize("tried", [(), (DeliveryDecision(CallbackStatus.PENDING, 60),), (GIVEN_UP,)])
def test_redelivering_a_pending_event_keeps_since_when_it_is_pending(
    harness: StoreHarness, tried: tuple[DeliveryDecision, ...]
) -> None:
    message = fulfilled(harness)
    began = harness.now() - 1_400
    harness.redis.hset(keys.delivery("ord-1"), "at", round(began * 1_000))
    harness.redis.zadd(keys.DELIVERIES_PENDING, {"ord-1": round(began * 1_000)})
    for decision in tried:
        try_once(harness, message, decision)
    for _ in range(2):
        harness.stores.deliveries.redeliver("ord-1", HOST)
        assert harness.stores.deliveries.pending() == PendingSummary(1, pytest.approx(began, abs=0.01), "ord-1")


def test_a_newer_event_is_pending_since_it_happened(harness: StoreHarness) -> None:
    try_once(harness, partial(harness), DELIVERED)
    harness.stores.deliveries.redeliver("ord-1", HOST)
    harness.redis.hset(keys.delivery("ord-1"), "since", 1_000)
    harness.commit(harness.go(2), event=True, status=Status.FULFILLED, finished_at=harness.now())
    *_, event = harness.stores.events.list_after(None, 10)
    try_once(harness, DeliveryMessage("ord-1", event.id, 1, HOST), GIVEN_UP)
    harness.stores.deliveries.redeliver("ord-1", HOST)
    assert harness.stores.deliveries.pending() == PendingSummary(1, event.occurred_at, "ord-1")


def test_a_redelivery_starts_a_new_schedule_with_the_same_event(harness: StoreHarness) -> None:
    try_once(harness, fulfilled(harness), GIVEN_UP)
    message = harness.stores.deliveries.redeliver("ord-1", HOST)
    assert message == DeliveryMessage("ord-1", "evt-1", 2, HOST)
    assert attention(harness) == (None, [])
    granted = claim(harness, message)
    assert (granted.verdict, granted.tries) == (DeliveryVerdict.GO, 0)


def test_a_delivered_event_can_be_redelivered_while_it_is_in_the_feed(harness: StoreHarness) -> None:
    first = fulfilled(harness)
    event = claim(harness, first).event
    settle(harness, first, DELIVERED)
    message = harness.stores.deliveries.redeliver("ord-1", HOST)
    assert message is not None
    assert claim(harness, message).event == event
    settle(harness, message, DELIVERED)
    harness.stores.events.prune(harness.now() + 10)
    with pytest.raises(LookupError):
        harness.stores.deliveries.redeliver("ord-1", HOST)
    assert harness.redis.zcard(keys.DELIVERIES_DUE) == 0


def test_a_redelivery_during_a_delivery_happens_only_if_that_one_fails(harness: StoreHarness) -> None:
    for order_id, decision, follows in (("good", DELIVERED, False), ("bad", GIVEN_UP, True)):
        message = fulfilled(harness, order_id)
        claim(harness, message)
        assert harness.stores.deliveries.redeliver(order_id, HOST) == DeliveryMessage(order_id, "evt-1", 2, HOST)
        assert settle(harness, message, decision) == (
            (DeliveryMessage(order_id, "evt-1", 2, HOST), 0.0) if follows else None
        )


def test_there_is_nothing_to_redeliver_before_the_first_event(harness: StoreHarness) -> None:
    harness.submit(callback_url=URL)
    assert harness.stores.deliveries.redeliver("ord-1", HOST) is None


def test_a_delivery_outlives_the_events_in_the_feed(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    harness.stores.events.prune(harness.now() + 10)
    event = claim(harness, message).event
    assert event is not None
    assert event.id == "evt-1"


def test_an_order_with_a_pending_delivery_is_not_pruned(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    assert harness.stores.orders.prune(harness.now() + 10, 10) == (1, 1, 0)
    try_once(harness, message, DELIVERED)
    assert harness.stores.orders.prune(harness.now() + 10, 10) == (1, 1, 1)
    left = {key for key in harness.redis.scan_iter() if "ord-1" in key}
    assert left == set()


def test_a_result_for_a_removed_order_leaves_nothing_behind(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    claim(harness, message)
    harness.redis.delete(keys.delivery("ord-1"))
    assert settle(harness, message, DELIVERED) is None
    assert not harness.redis.exists(keys.delivery_attempts("ord-1"), keys.delivery("ord-1"))


def test_the_delivery_log_keeps_the_latest_attempts(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    for status in range(MOST_ATTEMPTS + 5):
        claim(harness, message)
        again = settle(harness, message, DeliveryDecision(CallbackStatus.PENDING, 0), status=status)
        assert again is not None
        message = again[0]
        bring_forward(harness)
    assert [each.http_status for each in harness.stores.deliveries.attempts("ord-1")] == list(
        range(5, MOST_ATTEMPTS + 5)
    )


def test_the_state_of_a_delivery_can_be_read(harness: StoreHarness) -> None:
    message = fulfilled(harness)
    delivery = harness.stores.deliveries.get("ord-1")
    assert delivery is not None
    assert (delivery.event_id, delivery.event_type, delivery.status) == (
        "evt-1",
        "order.fulfilled",
        CallbackStatus.PENDING,
    )
    assert delivery.next_try_at == pytest.approx(harness.now(), abs=STALL)
    try_once(harness, message, DELIVERED)
    delivery = harness.stores.deliveries.get("ord-1")
    assert delivery is not None
    assert (delivery.status, delivery.next_try_at) == (CallbackStatus.DELIVERED, None)
    assert harness.stores.listing.counts(ACCOUNT)[Status.FULFILLED] == 1
