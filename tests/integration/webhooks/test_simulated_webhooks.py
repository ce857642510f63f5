"""The simulator's own calls against the real route: what providers send over an order's life."""

from itertools import pairwise
from typing import Any

import pytest

from tests.integration.usecases.conftest import WEBHOOK_TOKENS, Setup
from tests.integration.webhooks.conftest import OpenWebhooks, WebhookHarness, stored
from tests.simulator_thread import SimulatorThread
from tests.waiting import wait_until
from willcall.orders.model import Attention, Status
from willcall.simulator.client import SimulatorError
from willcall.simulator.script import OrderScript, Script


@pytest.fixture
def connected_harness(harness: WebhookHarness) -> WebhookHarness:
    """A harness whose providers know its address."""
    for provider, token in WEBHOOK_TOKENS.items():
        url = f"{harness.url}/webhooks/{provider}/default/{token}"
        harness.system.providers.update_account(provider, webhook_url=url)
    return harness


def answers(harness: WebhookHarness, count: int, provider: str = "tixstock") -> list[dict[str, Any]]:
    wait_until(lambda: len(harness.system.providers.pushes(provider=provider)) >= count)
    found: list[dict[str, Any]] = harness.system.providers.pushes(provider=provider)
    assert len(found) == count
    return found


def test_tixstock_pushes_an_order_to_its_final_status(connected_harness: WebhookHarness) -> None:
    connected_harness.system.submit(
        OrderScript(provider="tixstock", reference="o-1", quantity=3, ready_after=600, cancel_after=600)
    )
    connected_harness.system.let_time_pass_for_providers(600)
    answers(connected_harness, 3)
    connected_harness.system.let_time_pass_for_providers(600)
    sent = answers(connected_harness, 4)
    assert [entry["kind"] for entry in sent] == ["eticket"] * 3 + ["update"]
    assert all(entry["accepted"] for entry in sent)
    events = connected_harness.system.events()
    assert events == ["order.partial", "order.updated", "order.fulfilled", "order.cancelled"]


def test_pushes_may_arrive_early_out_of_sequence_and_twice(connected_harness: WebhookHarness) -> None:
    pushes = [
        {"kind": "mobile_link", "ticket": 2},
        {"kind": "mobile", "ticket": 1, "times": 2},
        {"kind": "eticket", "ticket": 0, "spoil": "base64"},
        {"kind": "eticket", "ticket": 0, "spoil": "pdf"},
        {"kind": "eticket", "ticket": 0, "size": 300_000},
    ]
    script = {"provider": "tixstock", "reference": "o-1", "quantity": 3, "ready_after": 600, "pushes": pushes}
    connected_harness.system.providers.add_orders([script])
    assert [entry["status"] for entry in answers(connected_harness, 6)] == [200] * 6
    connected_harness.submit(quantity=3)
    order = connected_harness.order()
    assert order.status is Status.FULFILLED
    assert [(ticket.kind, ticket.seat) for ticket in order.tickets] == [("link", "102"), ("pdf", "101"), ("pdf", "100")]
    document = connected_harness.system.context.documents.get(order.tickets[2].document or "")
    assert document is not None
    assert document.size >= 300_000


def test_a_rejected_push_is_repeated_on_the_providers_schedule(make_system: Setup, open_webhooks: OpenWebhooks) -> None:
    made = make_system(callbacks=True)
    url = open_webhooks(made.context)
    with SimulatorThread(Script(push_minute=0.1)) as simulator:
        target = f"{url}/webhooks/tixstock/default/{WEBHOOK_TOKENS['tixstock']}"
        simulator.client.update_account("tixstock", webhook_url=target)
        pushes = [{"kind": "eticket", "spoil": "signature"}]
        simulator.client.add_orders([{"provider": "tixstock", "reference": "o-1", "pushes": pushes}])
        wait_until(lambda: len(simulator.client.pushes()) == 5)
        sent = simulator.client.pushes()
        waits = [after["sent"] - before["sent"] for before, after in pairwise(sent)]
    assert [entry["status"] for entry in sent] == [401] * 5
    assert all(wait >= due for wait, due in zip(waits, (0.1, 0.2, 0.4, 0.8), strict=True))
    assert stored(made.redis) == {}


def test_tiqets_notifies_once_of_each_change(connected_harness: WebhookHarness) -> None:
    script = OrderScript(provider="tiqets", reference="1111111", ready_after=600, cancel_after=600)
    connected_harness.system.submit(script)
    assert connected_harness.system.poll().status is Status.PENDING
    connected_harness.system.let_time_pass_for_providers(600)
    answers(connected_harness, 1, "tiqets")
    assert connected_harness.order().next_poll_at is not None
    assert connected_harness.system.poll().status is Status.FULFILLED
    connected_harness.system.let_time_pass_for_providers(600)
    answers(connected_harness, 2, "tiqets")
    assert connected_harness.system.poll().status is Status.CANCELLED
    assert [entry["answer"] for entry in connected_harness.system.providers.pushes()] == ["", ""]


def test_pushes_can_be_sent_at_run_time(connected_harness: WebhookHarness) -> None:
    connected_harness.system.submit(OrderScript(provider="tixstock", reference="o-1", quantity=2, ready_after=600))
    connected_harness.system.providers.push(
        "tixstock", "o-1", {"kind": "eticket", "general_admission": True, "spoil": "pdf"}
    )
    answers(connected_harness, 1)
    assert connected_harness.order().attention is Attention.MALFORMED
    connected_harness.system.providers.push("tixstock", "o-1", {"kind": "paper"})
    answers(connected_harness, 2)
    assert connected_harness.order().status is Status.FULFILLED
    for mistake in ({"kind": "notification"}, {"kind": "eticket", "ticket": 2}):
        with pytest.raises(SimulatorError):
            connected_harness.system.providers.push("tixstock", "o-1", mistake)
