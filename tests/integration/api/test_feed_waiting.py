"""Calls of the feed that wait for the next event."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.api.conftest import KEY, RIVAL_KEY, SHOP_KEY, Running, problem, running
from tests.waiting import wait_until
from willcall.api.middleware import MAX_IN_FLIGHT
from willcall.devtools.embedded_redis import EmbeddedRedis

if TYPE_CHECKING:
    from redis import Redis


def feed(api: Running, key: str = KEY, **query: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    response = requests.get(f"{api.url}/v1/events", params=query, headers=headers, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


@contextmanager
def waiting(api: Running, count: int = 1, key: str = KEY, **query: Any) -> Iterator[list[Future[Any]]]:
    """Calls that wait."""
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(feed, api, key, wait=30, **query) for _ in range(count)]
        yield calls


def test_a_call_that_waits_returns_as_soon_as_there_is_an_event(api: Running) -> None:
    api.submit()
    with waiting(api) as (call,):
        assert not call.done()
        api.post("/v1/orders/ord-1/cancel")
        page = call.result(20)
    (event,) = page["items"]
    assert event["type"] == "order.cancelled"
    assert feed(api, wait=30)["items"] == [event], "there is one already"


def test_a_call_returns_an_empty_page_when_its_time_is_over(api: Running) -> None:
    assert feed(api, wait=0.3) == {"items": [], "next_cursor": "0-0"}
    assert feed(api, wait=0.3, after="5-0") == {"items": [], "next_cursor": "5-0"}


@pytest.mark.parametrize("wait", ["31", "-1", "nan", "long"])
def test_an_invalid_wait_is_rejected(api: Running, wait: str) -> None:
    assert problem(api.get("/v1/events", params={"wait": wait}), 422, "rejected")["errors"][0]["field"] == "wait"


def test_many_waiting_calls_delay_no_other(api: Running) -> None:
    api.submit()
    with waiting(api, MAX_IN_FLIGHT + 20) as calls:
        for _ in range(3):
            assert api.get("/v1/orders/ord-1").status_code == 200
        api.post("/v1/orders/ord-1/cancel")
        assert {len(call.result(30)["items"]) for call in calls} == {1}


def test_a_client_waits_for_its_own_events_alone(api: Running) -> None:
    order = {"provider": "tiqets", "not_before": "2099-01-01T00:00:00Z"}
    for key in (SHOP_KEY, RIVAL_KEY):
        assert api.post("/v1/orders", {**order, "id": key[:4], "reference": key[:4]}, key=key).status_code == 201
    with waiting(api, key=SHOP_KEY) as (call,):
        api.post(f"/v1/orders/{RIVAL_KEY[:4]}/cancel", key=RIVAL_KEY)
        assert feed(api, key=SHOP_KEY, wait=0.5)["items"] == []
        assert not call.done()
        api.post(f"/v1/orders/{SHOP_KEY[:4]}/cancel", key=SHOP_KEY)
        assert [event["order_id"] for event in call.result(20)["items"]] == [SHOP_KEY[:4]]


def test_the_server_stops_at_once_while_calls_wait(tmp_path: Path, redis: "Redis", redis_server: EmbeddedRedis) -> None:
    redis.config_resetstat()
    with running(tmp_path, redis_server.url, KEY) as api, waiting(api, 3) as calls:
        # Each call looked, and then all of them together, again and again.
        wait_until(lambda: redis.info("commandstats").get("cmdstat_xrange", {"calls": 0})["calls"] > 6)
        os.kill(api.process.pid, signal.SIGTERM)
        assert api.process.wait(60) is not None
        ended = [call.exception(30) for call in calls]
    assert "Traceback" not in api.log
    assert "graceful shutdown exceeded" not in api.log
    assert ended == [None] * 3
