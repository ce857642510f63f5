"""Real workers tell backends of what changes after and between the statuses."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.conftest import SWEEPS, Setup, submit_all
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.risk import risk_moments
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.connection import connect

HOUR = 3_600.0
TOKEN = "tixstock-webhook-token"


@pytest.fixture
def backend() -> Iterator[CallbackReceiver]:
    with CallbackReceiver() as receiver:
        yield receiver


@pytest.fixture
def system(deployment: Setup) -> LocalDeployment:
    """A worker, beat and the API, which a simulated Tixstock calls."""
    system = deployment(
        {"tixstock/default": {"webhook_token": TOKEN}, "tiqets/default": {}}, sweeps=SWEEPS | {"events": 0.5}
    )
    for process in ("worker", "beat"):
        system.start(process)
    system.start_api()
    system.wait_for_api()
    url = f"{system.api_url}/webhooks/tixstock/default/{TOKEN}"
    system.providers.update_account("tixstock", webhook_url=url)
    return system


@pytest.mark.proof
def test_a_backend_is_notified_of_what_changes_while_the_status_stays(
    system: LocalDeployment, backend: CallbackReceiver
) -> None:
    """A corrected ticket after `fulfilled`, a late document, and an order of 17:00 for 20:00."""

    def received(path: str) -> list[str]:
        return [message.event["type"] for message in backend.received if message.path == path]

    late = OrderScript.model_validate({"provider": "tiqets", "reference": "1111111", "documents_after": 4})
    submit_all(system, [late], "late", callback_url=backend.url("/late"))
    corrected = OrderScript(provider="tixstock", reference="tix-1", quantity=1, ready_after=600, pushes=())
    submit_all(system, [corrected], "corrected", callback_url=backend.url("/corrected"))
    system.providers.push("tixstock", "tix-1", {"kind": "eticket", "seat": "7"})
    wait_until(lambda: received("/corrected") == ["order.fulfilled"])
    system.providers.push("tixstock", "tix-1", {"kind": "eticket", "seat": "7", "size": 9_000})

    now = system.context.stores.accounts.now()
    event_at = datetime.fromtimestamp(now + 3 * HOUR, UTC).isoformat()
    never = OrderScript(provider="tiqets", reference="2222222", ends="never")
    submit_all(system, [never], "risk", callback_url=backend.url("/risk"), event_at=event_at)
    with connect(system.redis.url) as redis:  # it was submitted a quarter of an hour ago, but for two seconds
        redis.hincrby(keys.order("risk-0"), "submitted", -(900 - 2) * 1_000)
        redis.zadd(keys.CHANGES, {"risk-0": 1})

    wait_until(lambda: received("/corrected") == ["order.fulfilled", "order.updated"])
    wait_until(lambda: received("/late") == ["order.fulfilled", "order.updated"])
    wait_until(lambda: received("/risk") == ["order.at_risk"])
    assert all(message.verified for message in backend.received)

    events = {(message.path, message.event["type"]): message.event["data"] for message in backend.received}
    first, second = (events["/corrected", kind]["tickets"] for kind in ("order.fulfilled", "order.updated"))
    assert (len(first), len(second)) == (1, 1)
    assert first[0]["document"] != second[0]["document"]
    assert events["/late", "order.fulfilled"]["tickets"][0]["document"] is None
    assert events["/late", "order.updated"]["tickets"][0]["document"] is not None
    order = system.context.stores.orders.get("risk-0")
    assert order
    assert order.event_at
    assert order.at_risk
    moment, _ = risk_moments(order.submitted_at, order.event_at, 24 * HOUR)
    (event,) = system.context.stores.events.list_for_order("risk-0")
    assert moment == pytest.approx(order.submitted_at + 900)
    assert event.occurred_at >= moment
