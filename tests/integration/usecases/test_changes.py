"""Backends are notified of every change: tickets, documents, attention, and an event that comes near."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from redis import Redis

from schedules.run import BATCH
from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup, System
from tests.integration.usecases.test_documents import Answers, answers, due_now, in_turn, script, tickets
from tests.integration.usecases.test_notify import callback_status, deliver, fulfil, receiver
from tests.integration.webhooks.conftest import pdf
from tests.scripted_server import Serve, whole
from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.orders.callbacks import CallbackStatus
from willcall.orders.model import Attention, Status, Ticket, TicketKind
from willcall.orders.outcomes import Issued, Malformed, NotReady, PartlyIssued
from willcall.orders.risk import risk_moments
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.commits import Commit
from willcall.usecases.changes import find_change, notify_changes
from willcall.usecases.commit import write_commit
from willcall.usecases.documents import fetch_documents
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import cancel_order, request_poll
from willcall.usecases.submit import submit
from willcall.views.upcoming import orders_at_risk

__all__ = ["answers", "receiver"]

HOUR, MINUTE = 3_600.0, 60.0


def codes(*seats: str) -> tuple[Ticket, ...]:
    return tuple(Ticket(TicketKind.BARCODE, code=f"code-{seat}", seat=seat) for seat in seats)


def with_rules(h: System, **notify: float) -> System:
    """The system with other settings of `notify`."""
    rules = h.context.settings.notify.model_copy(update=notify)
    return replace(h, context=replace(h.context, settings=h.context.settings.model_copy(update={"notify": rules})))


def poll_again(h: System) -> None:
    request_poll(h.context, "ord-1", ANNA)
    h.redis.delete(keys.tokens("tiqets/default"))
    h.poll()


def test_a_corrected_ticket_after_fulfilment_is_an_update(
    make_system: Setup, answers: Answers, receiver: CallbackReceiver
) -> None:
    h = make_system()
    answers(Issued(codes("1", "2")))
    h.submit(script(), callback_url=receiver.url())
    h.poll()
    deliver(h)
    poll_again(h)
    assert h.events() == ["order.fulfilled"], "the same tickets are no change"
    answers(Issued(tuple(replace(ticket, seat=f"{ticket.seat}0") for ticket in codes("1", "2"))))
    poll_again(h)
    deliver(h)
    assert h.events() == ["order.fulfilled", "order.updated"]
    *_, message = receiver.received
    assert message.verified
    assert message.event["type"] == "order.updated"
    assert [ticket["seat"] for ticket in message.event["data"]["tickets"]] == ["10", "20"]
    assert message.event["data"]["updated_at"] > message.event["data"]["submitted_at"]


def test_the_second_of_three_tickets_is_an_update(make_system: Setup, answers: Answers) -> None:
    h = make_system()
    h.submit(script(), quantity=3)
    for outcome in (PartlyIssued(codes("1")), PartlyIssued(codes("1", "2")), PartlyIssued(codes("1", "2"))):
        answers(outcome)
        h.poll()
    answers(Issued(codes("1", "2", "3")))
    h.poll()
    assert h.events() == ["order.partial", "order.updated", "order.fulfilled"]


def test_attention_that_begins_changes_and_ends_is_an_event_each_time(make_system: Setup, answers: Answers) -> None:
    h = make_system()
    h.submit(script())
    waits = NotReady(attention=Attention.PERSONALIZATION)
    for outcome in (waits, waits, Malformed(), NotReady(), NotReady(), Malformed(), Issued(codes("1"))):
        h.redis.delete(keys.tokens("tiqets/default"))
        answers(outcome)
        h.poll()
    assert h.events() == ["order.attention"] * 4 + ["order.fulfilled"]
    data = [event.data for event in h.context.stores.events.list_for_order("ord-1")]
    assert [each["attention"] for each in data] == ["personalization", "malformed", None, "malformed", None]


def test_orders_of_a_parked_account_are_events_of_their_own(make_system: Setup) -> None:
    h = make_system()
    for number in range(3):
        h.submit(OrderScript(provider="tiqets", reference=str(1_000_000 + number)), id=f"ord-{number}")
    h.providers.update_account("tiqets", revoked=True)
    for number in range(3):
        h.poll(f"ord-{number}")
    run_sweep(h.context, "events")
    assert h.events() == ["order.attention"] * 3
    h.providers.update_account("tiqets", revoked=False)
    h.redis.hset(keys.account("tiqets/default"), "probe_at", 0)
    run_sweep(h.context, "polls")
    for number in range(3):
        h.poll(f"ord-{number}")
    run_sweep(h.context, "polls")
    run_sweep(h.context, "events")
    ended = [event for event in h.context.stores.events.list_after(None, 100) if event.data["attention"] is None]
    assert {event.order_id for event in ended} == {"ord-0", "ord-1", "ord-2"}
    assert h.redis.zcard(keys.CHANGES) == 0


def test_a_late_document_is_an_update(
    make_system: Setup, answers: Answers, serve: Serve, receiver: CallbackReceiver
) -> None:
    h = make_system()
    server = serve(in_turn(whole(b"", "404 Not Found"), whole(pdf("one"))))
    answers(tickets(server.url))
    h.submit(script(), callback_url=receiver.url())
    h.poll()
    deliver(h)
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    deliver(h)
    first, second = (message.event for message in receiver.received)
    assert (first["type"], first["data"]["tickets"][0]["document"]) == ("order.fulfilled", None)
    assert second["type"] == "order.updated"
    assert second["data"]["tickets"][0]["document"] == h.order().tickets[0].document
    assert h.redis.zcard(keys.CHANGES) == 0


def test_fulfilment_waits_for_its_documents_and_carries_them(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = with_rules(make_system(), wait_for_documents=600)
    answers(tickets(serve(in_turn(whole(b"", "404 Not Found"), whole(pdf("one")))).url))
    h.submit(script(), callback_url="http://127.0.0.1:9/")
    assert h.poll().status is Status.FULFILLED
    run_sweep(h.context, "events")
    assert h.events() == []
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    (event,) = h.context.stores.events.list_for_order("ord-1")
    assert event.type == "order.fulfilled"
    assert event.data["tickets"][0]["document"]


def test_fulfilment_waits_no_longer_than_that_and_the_document_is_an_update(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = with_rules(make_system(), wait_for_documents=600)
    answers(tickets(serve(in_turn(whole(b"", "404 Not Found"), whole(pdf("one")))).url))
    h.submit(script())
    finished = h.poll().finished_at
    assert finished
    assert h.redis.zscore(keys.CHANGES, "ord-1") == pytest.approx((finished + 600) * 1_000, abs=1)
    h.redis.hincrby(keys.order("ord-1"), "finished", -601_000)
    notify_changes(h.context, ["ord-1"])
    assert h.events() == ["order.fulfilled"]
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert h.events() == ["order.fulfilled", "order.updated"]


def test_an_order_that_is_cancelled_while_it_waits_for_documents_is_only_notified_as_cancelled(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = with_rules(make_system(), wait_for_documents=600)
    h.submit(
        OrderScript(provider="tiqets", reference="1", documents_after=900, document={"unready": "404"}),
        callback_url=receiver.url(),
    )
    order = h.poll()
    assert (order.status, h.events()) == (Status.FULFILLED, [])
    assert write_commit(h.context, Commit(order, replace(order, status=Status.CANCELLED))) is not None
    assert h.events() == ["order.fulfilled", "order.cancelled"]
    deliver(h)
    assert [message.event["type"] for message in receiver.received] == ["order.cancelled"]
    run_sweep(h.context, "events")
    assert len(h.events()) == 2


def test_an_undeliverable_order_is_an_event_of_the_feed_alone(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    event = fulfil(h, receiver.url())
    receiver.script(410, 410, 200)
    deliver(h)
    run_sweep(h.context, "events")
    assert h.events() == ["order.fulfilled", "order.attention"]
    redeliver(h.context, "ord-1", ANNA)
    deliver(h)
    run_sweep(h.context, "events")
    assert h.events() == ["order.fulfilled", *["order.attention"] * 3]
    assert [each.data["attention"] for each in h.context.stores.events.list_for_order("ord-1")] == [
        None,
        "undeliverable",
        None,
        "undeliverable",
    ]
    redeliver(h.context, "ord-1", ANNA)
    assert deliver(h) is None
    assert receiver.message_ids() == [event.id] * 3


def test_a_status_that_was_given_up_is_tried_again_before_a_later_update(
    make_system: Setup, answers: Answers, receiver: CallbackReceiver
) -> None:
    h = make_system()
    answers(Issued(codes("1")))
    h.submit(script(), callback_url=receiver.url())
    h.poll()
    receiver.script(410, 200)
    deliver(h)
    assert h.order().attention is Attention.UNDELIVERABLE
    answers(Issued((replace(codes("1")[0], seat="2"),)))
    poll_again(h)
    assert h.order().attention is None
    while deliver(h):
        pass
    assert [message.event["type"] for message in receiver.received] == ["order.fulfilled"] * 2 + ["order.updated"]
    assert callback_status(h) is CallbackStatus.DELIVERED


def submit_for(h: System, event_in: float, submitted_ago: float = 0.0, **fields: str) -> tuple[float, float]:
    """Submit an order for an event, as if that was some time ago: when it was submitted, and its event."""
    event_at = round(h.context.stores.accounts.now() + event_in)
    h.submit(script(ready_after=9_999), event_at=datetime.fromtimestamp(event_at, UTC).isoformat(), **fields)
    h.redis.hincrby(keys.order("ord-1"), "submitted", -round(submitted_ago * 1_000))
    return h.order().submitted_at, event_at


def look_at(h: System) -> float:
    score = h.redis.zscore(keys.CHANGES, "ord-1")
    assert score is not None
    return float(score) / 1_000


def test_an_order_is_looked_at_when_it_is_at_risk_to_the_millisecond(make_system: Setup) -> None:
    h = make_system()
    submitted, event_at = submit_for(h, 3 * HOUR)
    run_sweep(h.context, "events")
    assert look_at(h) == pytest.approx(submitted + 15 * MINUTE, abs=0.001)
    assert (h.events(), h.order().at_risk) == ([], False)
    assert risk_moments(submitted, event_at, 24 * HOUR)[0] == submitted + 15 * MINUTE


def test_an_order_at_risk_is_notified_twice_and_then_no_more(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    submit_for(h, 3 * HOUR, 16 * MINUTE, callback_url=receiver.url())
    run_sweep(h.context, "events")
    run_sweep(h.context, "events")
    deliver(h)
    (message,) = receiver.received
    assert message.event["type"] == "order.at_risk"
    assert message.event["data"]["at_risk"] is True
    assert orders_at_risk(h.context.stores, h.context.stores.accounts.now()).by_account == {h.order().account_key: 1}
    assert h.order().at_risk
    h.redis.hincrby(keys.order("ord-1"), "submitted", -round(12 * HOUR * 1_000))
    h.redis.hincrby(keys.order("ord-1"), "event", -round(2 * HOUR * 1_000))
    h.redis.hset(keys.order("ord-1"), "risk", f"{h.redis.hget(keys.order('ord-1'), 'event')}:1")
    notify_changes(h.context, ["ord-1"])
    notify_changes(h.context, ["ord-1"])
    assert h.events() == ["order.at_risk"] * 2
    h.redis.hincrby(keys.order("ord-1"), "event", -round(2 * HOUR * 1_000))
    notify_changes(h.context, ["ord-1"])
    assert (h.events(), h.order().at_risk) == (["order.at_risk"] * 2, False)
    assert h.redis.zscore(keys.CHANGES, "ord-1") is None


def test_an_order_with_all_its_tickets_is_no_longer_at_risk(make_system: Setup, answers: Answers) -> None:
    h = make_system()
    submit_for(h, 3 * HOUR, 16 * MINUTE)
    run_sweep(h.context, "events")
    answers(PartlyIssued(codes("1")))
    h.poll()
    assert h.order().at_risk
    answers(Issued(codes("1", "2")))
    h.poll()
    assert not h.order().at_risk
    events = h.context.stores.events.list_for_order("ord-1")
    assert [(event.type, event.data["at_risk"]) for event in events] == [
        ("order.at_risk", True),
        ("order.partial", True),
        ("order.fulfilled", False),
    ]


@pytest.mark.parametrize("event_in", [25 * HOUR, -HOUR])
def test_an_order_long_before_or_after_its_event_is_not_at_risk(make_system: Setup, event_in: float) -> None:
    h = make_system()
    submit_for(h, event_in, 16 * MINUTE)
    run_sweep(h.context, "events")
    assert (h.events(), h.order().at_risk) == ([], False)


def test_a_cancelled_order_leaves_the_index(make_system: Setup) -> None:
    h = make_system()
    submit_for(h, 3 * HOUR)
    run_sweep(h.context, "events")
    cancel_order(h.context, "ord-1", ANNA)
    h.redis.zadd(keys.CHANGES, {"ord-1": 1, "gone": 1})
    run_sweep(h.context, "events")
    assert (h.events(), h.redis.zcard(keys.CHANGES)) == (["order.cancelled"], 0)


def test_a_longer_lead_applies_to_the_orders_that_wait(make_system: Setup) -> None:
    h = make_system()
    submit_for(h, 30 * HOUR, HOUR)
    run_sweep(h.context, "events")
    assert h.events() == []
    run_sweep(with_rules(h, at_risk=48 * HOUR).context, "events")
    assert h.events() == ["order.at_risk"]


def test_a_longer_lead_applies_although_a_sweep_died_as_it_found_it(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    submit_for(h, 30 * HOUR, HOUR)
    run_sweep(h.context, "events")
    later = with_rules(h, at_risk=48 * HOUR).context

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Redis, "zunionstore", die)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(later, "events")
    run_sweep(later, "events")
    assert h.events() == ["order.at_risk"]


def test_more_orders_than_a_batch_are_at_risk_within_one_run(make_system: Setup) -> None:
    h, count = make_system(), BATCH + 100
    event_at = datetime.fromtimestamp(h.context.stores.accounts.now() + 3 * HOUR, UTC).isoformat()
    for number in range(count):
        order = {"id": f"ord-{number}", "provider": "tiqets", "reference": str(number), "event_at": event_at}
        submit(h.context, order)
        h.redis.hincrby(keys.order(f"ord-{number}"), "submitted", -round(16 * MINUTE * 1_000))
    run_sweep(h.context, "events")
    assert len(h.context.stores.events.list_after(None, count + 1)) == count


def test_a_change_between_look_and_write_is_looked_at_again(make_system: Setup) -> None:
    h = make_system()
    submit_for(h, 3 * HOUR, 16 * MINUTE)
    store = h.context.stores.changes
    (candidate,) = store.read(["ord-1"])
    change = find_change(h.context, candidate, h.context.stores.accounts.now())
    h.poll()
    assert store.write([change]) == []
    assert (h.events(), look_at(h) <= h.context.stores.accounts.now()) == ([], True)


@pytest.mark.parametrize("status", [Status.PENDING, Status.CANCELLED])
def test_an_attention_that_ends_after_the_backend_was_notified_is_looked_at_again(
    make_system: Setup, status: Status
) -> None:
    h = make_system()
    h.submit(script(ready_after=9_999))
    h.poll()
    h.redis.hset(keys.order("ord-1"), "attention", "unauthorized")  # as the claim of a parked account does
    before = h.order()
    notify_changes(h.context, ["ord-1"])
    after = replace(before, attention=None, status=status)
    assert write_commit(h.context, Commit(before, after, keep_schedule=status is Status.PENDING)) is not None
    run_sweep(h.context, "events")
    last = h.context.stores.events.list_after(None, 100)[-1].data
    assert (last["status"], last["attention"]) == (status, None)
    assert len(h.events()) == 2


def test_a_change_of_status_loses_no_document_of_which_the_backend_was_notified(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system()
    answers(tickets(serve(in_turn(whole(b"", "404 Not Found"), whole(pdf("one")))).url))
    h.submit(script())
    h.poll()
    before = h.order()
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert write_commit(h.context, Commit(before, replace(before, status=Status.CANCELLED))) is not None
    run_sweep(h.context, "events")
    last = h.context.stores.events.list_after(None, 100)[-1].data
    assert (last["status"], last["tickets"][0]["document"]) == ("cancelled", h.order().tickets[0].document)


def test_an_order_of_release_0_2_0_is_notified_of_what_changes_from_now_on(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system()
    answers(tickets(serve(in_turn(whole(b"", "404 Not Found"), whole(pdf("one")))).url))
    h.submit(script())
    h.poll()
    h.redis.hdel(keys.order("ord-1"), "notified")
    notify_changes(h.context, ["ord-1"])
    assert h.events() == ["order.fulfilled"]
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert h.events() == ["order.fulfilled", "order.updated"]


def test_a_status_that_release_0_2_0_notified_of_is_no_event_again(make_system: Setup, answers: Answers) -> None:
    h = make_system()
    h.submit(script(), quantity=2)
    answers(PartlyIssued(codes("1")))
    h.poll()
    cursor = h.redis.xadd(
        keys.EVENTS,
        {"id": "evt-old", "type": "order.fulfilled", "order_id": "ord-1", "at": 1, "data": '{"attention":null}'},
    )
    events = f"{h.redis.hget(keys.order('ord-1'), 'events')} {cursor}"
    h.redis.hset(keys.order("ord-1"), mapping={"events": events, "status": "fulfilled", "finished": 1})
    h.redis.zadd(keys.CHANGES, {"ord-1": 1})
    run_sweep(h.context, "events")
    assert h.events() == ["order.partial", "order.fulfilled"]
    answers(Issued(codes("1", "2")))
    poll_again(h)
    assert h.events() == ["order.partial", "order.fulfilled", "order.updated"]


def test_an_event_that_release_0_2_0_left_waiting_is_delivered(
    make_system: Setup, answers: Answers, receiver: CallbackReceiver
) -> None:
    h = make_system()
    answers(Issued(codes("1")))
    h.submit(script(), callback_url=receiver.url())
    h.poll()
    answers(Issued((replace(codes("1")[0], seat="2"),)))
    poll_again(h)
    delivery = keys.delivery("ord-1")
    h.redis.hset(delivery, "state", "delivered")  # as release 0.2.0 records it
    h.redis.hdel(delivery, "due", "data")
    h.redis.zrem(keys.DELIVERIES_DUE, "ord-1")
    assert look_at(h) <= h.context.stores.accounts.now() + 60
    h.redis.zadd(keys.CHANGES, {"ord-1": 1})
    run_sweep(h.context, "events")
    deliver(h)
    assert [message.event["type"] for message in receiver.received] == ["order.updated"]
    assert h.redis.zcard(keys.CHANGES) == 0
