"""Nothing of an erased order is left of what real processes stored: in Redis, in the documents, in the feed."""

import pytest
import requests
from redis import Redis

from tests.e2e.conftest import Setup
from tests.stored import traces
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.simulator.script import OrderScript

MARKS = ("1111111", "marked-name", "marked-group", "marked-callback")


@pytest.mark.proof
def test_nothing_is_left_of_an_order_that_real_processes_fulfilled(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}})
    for process in ("worker", "beat"):
        system.start(process)
    system.start_api()
    system.wait_for_api()
    system.providers.add_orders([OrderScript(provider="tiqets", reference="1111111", ready_after=2)])
    orders, documents = f"{system.api_url}/v1/orders", system.folder / "documents"
    with CallbackReceiver() as backend, Redis.from_url(system.redis.url) as redis:
        order = {
            "id": "ord-1",
            "provider": "tiqets",
            "reference": "1111111",
            "metadata": {"name": "marked-name"},
            "group": "marked-group",
            "callback_url": backend.url("/marked-callback"),
        }
        assert requests.post(orders, json=order, timeout=10).status_code == 201
        wait_until(lambda: backend.received)
        wait_until(lambda: any(documents.rglob("*")))
        assert {mark for mark in MARKS if traces(redis, documents, (mark,))} == set(MARKS)

        assert requests.delete(f"{orders}/ord-1", timeout=10).status_code == 204

        assert traces(redis, documents, MARKS) == []
        assert not [path for path in documents.rglob("*") if path.is_file()]
        events = requests.get(f"{system.api_url}/v1/events", timeout=10).json()["items"]
        assert events[0]["type"] == "order.fulfilled"
        assert all((event["data"]["reference"], event["data"]["tickets"]) == ("", []) for event in events)
    log = (system.folder / "worker.log").read_text()
    assert not [mark for mark in MARKS[1:3] if mark in log]
