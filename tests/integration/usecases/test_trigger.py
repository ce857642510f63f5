"""Sample events, sent to a real receiver that verifies their signature."""

from collections.abc import Iterator

import pytest

from tests.actors import ANNA
from tests.integration.usecases.conftest import Setup
from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.orders.errors import NothingToDeliverError, RejectedOrderError, UnknownSweepError
from willcall.orders.samples import SAMPLES
from willcall.usecases.sweeps import start_sweep
from willcall.usecases.trigger import trigger, trigger_schema
from willcall_client import Event


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver() as started:
        yield started


def test_each_sample_is_signed_and_says_what_it_is(make_system: Setup, receiver: CallbackReceiver) -> None:
    h = make_system()
    for name in SAMPLES:
        result = trigger_schema(trigger(h.context, name, ANNA, url=receiver.url(), client=None))
        assert (result.accepted, result.type, result.host, result.http_status) == (
            True,
            f"order.{name}",
            receiver.host,
            200,
        )
        received = receiver.received[-1]
        assert received.verified
        event = Event.from_json(received.event)
        assert (event.id, event.type, event.sample) == (result.event_id, result.type, True)
        assert event.order_id.startswith("sample-")
        assert event.data.final == (event.data.finished_at is not None)
        assert (event.data.ended_by is None) == (event.data.finished_at is None)
    assert h.events() == []
    assert h.outbox.tasks == []
    entries = h.context.stores.history.newest([])
    assert entries[0].detail == f"sample of order.{SAMPLES[-1]} to {receiver.host}"
    assert len(entries) == len(SAMPLES)


def test_what_the_backend_answers_is_reported_and_nothing_is_sent_again(
    make_system: Setup, receiver: CallbackReceiver
) -> None:
    h = make_system()
    receiver.script(500)
    result = trigger_schema(trigger(h.context, "failed", ANNA, url=receiver.url(), client=None))
    assert (result.accepted, result.http_status) == (False, 500)
    gone = trigger_schema(trigger(h.context, "failed", ANNA, url="http://127.0.0.1:9/hook", client=None))
    assert (gone.accepted, gone.http_status, gone.why) == (False, None, "connection refused")
    assert (len(receiver.received), h.outbox.tasks) == (1, [])


def test_a_sample_needs_an_address_that_events_may_be_sent_to(make_system: Setup) -> None:
    h = make_system()
    with pytest.raises(NothingToDeliverError, match="no callback_url is given"):
        trigger(h.context, "failed", ANNA, url=None, client=None)
    with pytest.raises(RejectedOrderError, match="callback_url: "):
        trigger(h.context, "failed", ANNA, url="http://10.0.0.1/hook", client=None)
    with pytest.raises(RejectedOrderError, match="client: unknown client shop"):
        trigger(h.context, "failed", ANNA, url="http://127.0.0.1:9/", client="shop")


def test_a_sweep_is_started_by_its_name(make_system: Setup) -> None:
    h = make_system()
    start_sweep(h.context, "polls", ANNA)
    assert h.outbox.tasks == [("schedules.sweep", ["polls"], 0.0)]
    with pytest.raises(UnknownSweepError, match="there is no sweep floors; there are alerts, "):
        start_sweep(h.context, "floors", ANNA)
