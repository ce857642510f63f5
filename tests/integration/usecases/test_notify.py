"""Backends are notified: real HTTP to a receiver that verifies every signature, a real Redis."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from willcall.devtools.callback_receiver import HANG, RESET, CallbackReceiver, ScriptedResponse
from willcall.http.address_guard import AddressGuard
from willcall.http.messages import HttpLimits
from willcall.http.outbound import OutboundClient
from willcall.orders.callbacks import SCHEDULE, CallbackStatus
from willcall.orders.errors import NothingToDeliverError, UnknownOrderError
from willcall.orders.model import Attention, Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.events import StoredEvent
from willcall.usecases import notify
from willcall.usecases.notify import notify_once, postpone_delivery, redeliver
from willcall.usecases.orders import cancel_order
from willcall.usecases.settle import settle_expired
from willcall.views.backends import refusing_backends


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver() as started:
        yield started


def fulfil(h: System, url: str, order_id: str = "ord-1", **script: object) -> StoredEvent:
    """Submit an order with a callback URL and poll it once: the event of that."""
    reference = str(1_000_000 + int(h.redis.incr("references")))
    h.submit(
        OrderScript.model_validate({"provider": "tiqets", "reference": reference, **script}),
        id=order_id,
        callback_url=url,
    )
    h.poll(order_id)
    return list(h.context.stores.events.list_after(None, 1_000))[-1]


def messages(h: System) -> list[tuple[DeliveryMessage, float]]:
    """What was sent to tasks.notify, with the countdowns."""
    return [(DeliveryMessage(*args), countdown) for name, args, countdown in h.outbox.tasks if name == "tasks.notify"]


def deliver(h: System) -> tuple[DeliveryMessage, float] | None:
    """Run the latest message, as if its time had come: what follows it, which is sent."""
    delivery_message, _ = messages(h)[-1]
    if h.redis.zscore(keys.DELIVERIES_DUE, delivery_message.subject) is not None:
        h.redis.hset(keys.delivery(delivery_message.subject), "due", 1)
    again = notify_once(h.context, delivery_message)
    if again:
        notify.send_delivery(h.context, *again)
    return again


def statuses(h: System, order_id: str = "ord-1") -> list[int | None]:
    return [made.http_status for made in h.context.stores.deliveries.attempts(order_id)]


def callback_status(h: System, order_id: str = "ord-1") -> CallbackStatus:
    delivery = h.context.stores.deliveries.get(order_id)
    assert delivery is not None
    return delivery.status


def test_a_backend_is_notified_at_once_with_the_signed_item_of_the_feed(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    event = fulfil(h, receiver.url("/hooks?key=1"))
    assert messages(h) == [(DeliveryMessage("ord-1", event.id, 1, receiver.host), 0.0)]
    assert deliver(h) is None
    [message] = receiver.received
    assert message.verified
    assert message.path == "/hooks?key=1"
    assert message.id == event.id
    assert message.event == event.to_json()
    assert set(message.event) == {"id", "type", "order_id", "occurred_at", "data"}
    assert message.event["data"]["tickets"]
    assert message.headers["content-type"] == "application/json"
    assert message.headers["user-agent"].startswith("Willcall/")
    assert callback_status(h) is CallbackStatus.DELIVERED
    assert statuses(h) == [200]


def test_an_order_without_a_callback_url_sends_no_message(make_system: Setup) -> None:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1"))
    h.poll()
    assert h.events() == ["order.fulfilled"]
    assert messages(h) == []


def test_every_kind_of_event_is_delivered(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url(), "partly", provider="tixstock", partial_after=0, ready_after=600, quantity=2)
    deliver(h)
    assert settle_expired(h.context, h.order("partly"), h.context.stores.accounts.now())
    deliver(h)
    fulfil(h, receiver.url(), "unwanted", ready_after=600)
    cancel_order(h.context, "unwanted", ANNA)
    deliver(h)
    fulfil(h, receiver.url(), "refused", ends="failed")
    deliver(h)
    types = [message.event["type"] for message in receiver.received]
    assert types == ["order.partial", "order.expired", "order.cancelled", "order.failed"]


def test_failed_deliveries_are_retried_on_schedule_with_the_same_id(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    event = fulfil(h, receiver.url())
    receiver.script(500, 404, 301, 500, RESET, 502, 500, 429, 500, 503)
    waits = []
    while again := deliver(h):
        waits.append(again[1])
    assert len(receiver.received) == len(SCHEDULE) + 1 == 10
    assert all(
        scheduled <= wait + 0.01 <= scheduled * 1.1 + 0.1 for scheduled, wait in zip(SCHEDULE, waits, strict=True)
    )
    assert set(receiver.message_ids()) == {event.id}
    assert all(message.verified for message in receiver.received)
    assert all(message.event == event.to_json() for message in receiver.received)
    assert statuses(h) == [500, 404, 301, 500, None, 502, 500, 429, 500, 503]
    assert callback_status(h) is CallbackStatus.UNDELIVERABLE
    assert h.order().attention is Attention.UNDELIVERABLE


def test_a_backend_that_refuses_twice_is_shown_by_its_host_and_status(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    receiver.script(401, 401, 500, 401, 429, 429)
    for number in (1, 2, 3):
        fulfil(h, receiver.url(), f"ord-{number}")
        deliver(h)
        assert [backend.order_id for backend in refusing_backends(h.context.stores)] == ["ord-1"] * (number > 1)
        deliver(h)
    (backend,) = refusing_backends(h.context.stores)
    assert (backend.host.split(":")[0], backend.http_status, backend.count) == ("127.0.0.1", 401, 1)
    h.redis.hset(keys.delivery("ord-1"), "due", 1)
    redeliver(h.context, "ord-1", ANNA)
    deliver(h)
    assert refusing_backends(h.context.stores) == []


def test_no_retry_is_sent_before_its_retry_after(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    receiver.script(ScriptedResponse(429, {"Retry-After": "3600"}))
    again = deliver(h)
    assert again is not None
    assert 3_599.9 <= again[1] <= 3_960
    early = notify_once(h.context, again[0])
    assert early is not None
    assert early[1] > 3_000
    assert len(receiver.received) == 1


def test_a_410_ends_the_delivery_at_once(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    receiver.script(ScriptedResponse(410, {"Retry-After": "5"}))
    assert deliver(h) is None
    assert h.order().attention is Attention.UNDELIVERABLE
    assert list(h.context.stores.listing.attention_counts().values()) == [1]


def test_a_redirect_is_a_failure_and_is_not_followed(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    receiver.script(ScriptedResponse(307, {"Location": receiver.url("/elsewhere")}))
    assert deliver(h) is not None
    assert receiver.message_ids("/elsewhere") == []
    assert statuses(h) == [307]


def test_a_large_response_is_ignored(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    receiver.script(ScriptedResponse(200, body=b"x" * 3_000_000))
    assert deliver(h) is None
    assert callback_status(h) is CallbackStatus.DELIVERED


def test_a_backend_that_hangs_is_given_up_after_the_time_out(
    make_system: Setup, receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notify.LIMITS.total_timeout + 15 < notify.LEASE
    monkeypatch.setattr(
        notify, "LIMITS", HttpLimits(connect_timeout=60, read_timeout=0.2, total_timeout=60, max_bytes=100)
    )
    h = make_system()
    fulfil(h, receiver.url())
    receiver.script(HANG)
    assert deliver(h) is not None
    [made] = h.context.stores.deliveries.attempts("ord-1")
    assert (made.http_status, made.why) == (None, "timed out before the full response")
    assert receiver.host not in made.why


def test_a_private_address_that_is_not_allowed_is_never_reached(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    h.context = replace(h.context, outbound=OutboundClient(AddressGuard()))
    assert deliver(h) is None
    assert receiver.received == []
    assert h.order().attention is Attention.UNDELIVERABLE


def test_without_a_secret_messages_are_unsigned(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    settings = h.context.settings
    unsigned = settings.model_copy(update={"notify": settings.notify.model_copy(update={"secret": None})})
    h.context = replace(h.context, settings=unsigned)
    event = fulfil(h, receiver.url())
    assert deliver(h) is None
    [message] = receiver.received
    assert message.id == event.id
    assert "webhook-signature" not in message.headers


def test_an_event_is_posted_again_if_its_worker_was_killed_after_the_post(
    make_system: Setup, receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    event = fulfil(h, receiver.url())
    with monkeypatch.context() as patch:
        patch.setattr(notify, "decide_delivery", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            deliver(h)
    [(delivery_message, _)] = messages(h)
    assert notify_once(h.context, delivery_message) is None
    assert receiver.message_ids() == [event.id]
    h.redis.hset(keys.delivery("ord-1"), "lease", 1)
    assert notify_once(h.context, delivery_message) is None
    assert receiver.message_ids() == [event.id, event.id]
    assert callback_status(h) is CallbackStatus.DELIVERED


def test_copies_of_a_message_deliver_once(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    [(delivery_message, _)] = messages(h)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: notify_once(h.context, delivery_message), range(16))) == [None] * 16
    assert len(receiver.received) == 1


def test_a_newer_event_supersedes_one_that_could_not_be_delivered(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    older = fulfil(h, receiver.url(), provider="tixstock", partial_after=0, ready_after=600, quantity=2)
    receiver.script(500, 200)
    again = deliver(h)
    cancel_order(h.context, "ord-1", ANNA)
    deliver(h)
    assert again is not None
    h.redis.hset(keys.delivery("ord-1"), "due", 1)
    assert notify_once(h.context, again[0]) is None
    types = [message.event["type"] for message in receiver.received]
    assert types == ["order.partial", "order.cancelled"]
    assert h.events() == types
    assert receiver.message_ids()[0] == older.id


def test_an_event_that_arrives_during_a_post_follows_it(
    make_system: Setup, receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    fulfil(h, receiver.url(), provider="tixstock", partial_after=0, ready_after=600, quantity=2)
    post = h.context.outbound.post
    busy: list[object] = []

    def interrupted(*arguments: object, **options: bool) -> object:
        if not busy:
            cancel_order(h.context, "ord-1", ANNA)
            busy.append(notify_once(h.context, messages(h)[-1][0]))
        return post(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(h.context.outbound, "post", interrupted)
    [(older, _)] = messages(h)
    newer = notify_once(h.context, older)
    assert busy == [None]
    assert newer == (messages(h)[-1][0], 0.0)
    assert notify_once(h.context, newer[0]) is None
    assert [message.event["type"] for message in receiver.received] == ["order.partial", "order.cancelled"]


def test_the_sweep_sends_a_lost_message_again_once(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    [(lost, _)] = messages(h)
    h.outbox.tasks.clear()
    assert run_sweep(h.context, "notify") == {"resent": 0}
    h.redis.zadd(keys.DELIVERIES_DUE, {"ord-1": 1})
    assert run_sweep(h.context, "notify") == {"resent": 1}
    assert messages(h) == [(lost, 0.0)]
    assert run_sweep(h.context, "notify") == {"resent": 0}
    deliver(h)
    assert len(receiver.received) == 1


def test_a_postponed_delivery_uses_no_attempt(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    [(delivery_message, _)] = messages(h)
    later = postpone_delivery(h.context.stores.deliveries, delivery_message, 7.0)
    assert later is not None
    assert later[0] == replace(delivery_message, number=2)
    assert later[1] == pytest.approx(7.0, abs=0.01)
    assert postpone_delivery(h.context.stores.deliveries, delivery_message, 7.0) is None
    assert statuses(h) == []


def test_a_redelivery_has_the_same_id(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    event = fulfil(h, receiver.url())
    receiver.script(410, 200)
    deliver(h)
    redeliver(h.context, "ord-1", ANNA)
    assert h.order().attention is None
    assert deliver(h) is None
    assert receiver.message_ids() == [event.id, event.id]
    assert callback_status(h) is CallbackStatus.DELIVERED
    redeliver(h.context, "ord-1", ANNA)
    deliver(h)
    assert receiver.message_ids() == [event.id] * 3


@pytest.mark.parametrize(("url", "words"), [(None, "no callback_url"), ("http://127.0.0.1:9/", "has not changed yet")])
def test_redelivering_without_an_event_is_an_error(make_system: Setup, url: str | None, words: str) -> None:
    h = make_system()
    with pytest.raises(UnknownOrderError):
        redeliver(h.context, "ord-1", ANNA)
    h.submit(OrderScript(provider="tiqets", reference="1"), callback_url=url)
    with pytest.raises(NothingToDeliverError, match=words):
        redeliver(h.context, "ord-1", ANNA)


def test_an_event_that_has_left_the_feed_cannot_be_redelivered(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    deliver(h)
    h.context.stores.events.prune(h.context.stores.accounts.now() + 10)
    with pytest.raises(NothingToDeliverError, match="older than events are kept"):
        redeliver(h.context, "ord-1", ANNA)


def test_an_event_after_an_undeliverable_one_is_delivered_as_usual(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    fulfil(h, receiver.url(), provider="tixstock", partial_after=0, ready_after=600, quantity=2)
    receiver.script(410, 200)
    deliver(h)
    assert h.order().attention is Attention.UNDELIVERABLE
    settle_expired(h.context, h.order(), h.context.stores.accounts.now())
    deliver(h)
    assert (h.order().status, h.order().attention) == (Status.EXPIRED, None)
    assert receiver.received[-1].event["data"]["attention"] is None


def test_prune_waits_for_pending_deliveries(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    fulfil(h, receiver.url())
    h.redis.zadd(keys.FINAL, {"ord-1": 1})
    assert run_sweep(h.context, "prune")["orders"] == 0
    deliver(h)
    h.redis.zadd(keys.FINAL, {"ord-1": 1})
    assert run_sweep(h.context, "prune")["orders"] == 1
