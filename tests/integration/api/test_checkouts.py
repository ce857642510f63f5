"""Checkouts over HTTP, and customers who come back from a payment."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.api.conftest import KEY, Running, problem, running
from tests.simulator_thread import SimulatorThread
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.simulator.script import Script

if TYPE_CHECKING:
    from redis import Redis

CHECKOUT: dict[str, Any] = {
    "provider": "voordemensen",
    "cart_id": "cart-7",
    "payment_id": 12,
    "redirect_url": "https://shop.example/thanks",
    "email": "fan@shop.example",
    "order": {"id": "ord-1", "quantity": 1},
}


@pytest.fixture
def shop(redis_server: EmbeddedRedis, redis: "Redis", tmp_path: Path) -> Iterator[Running]:  # noqa: ARG001 - empties it
    with SimulatorThread(Script()) as simulator:
        environment = {
            "WILLCALL_API__PUBLIC_URL": "https://tickets.shop.example",
            "WILLCALL_PROVIDERS__VOORDEMENSEN__DEFAULT__BASE_URL": f"{simulator.url}/voordemensen/v1",
            "WILLCALL_PROVIDERS__VOORDEMENSEN__DEFAULT__CLIENT_NAME": "demo",
        }
        with running(tmp_path, redis_server.url, KEY, environment=environment) as api:
            yield api


def test_a_checkout_and_the_customers_return(shop: Running) -> None:
    first = shop.post("/v1/checkouts", CHECKOUT)
    assert first.status_code == 201, first.text
    body = first.json()
    assert body["order"]["status"] == "pending"
    key = body["order"]["reference"]
    assert body["payment_url"].endswith(f"/pay/{key}")
    assert shop.post("/v1/checkouts", CHECKOUT).status_code == 200
    problem(shop.post("/v1/checkouts", CHECKOUT | {"payment_id": 13}), 409, "conflict")
    address = f"/return/voordemensen/default?return={key}"
    for method in ("GET", "HEAD"):
        back = shop.call(method, address, key=None, allow_redirects=False)
        assert (back.status_code, back.headers["Location"]) == (303, f"https://shop.example/thanks?return={key}")
    assert key not in shop.log
    assert "fan@shop.example" not in shop.log


@pytest.mark.parametrize(
    "address",
    [
        "/return/voordemensen/default",
        "/return/voordemensen/default?return=",
        "/return/voordemensen/default?return=unknown",
        "/return/voordemensen/default?return=a&return=b",
        "/return/voordemensen/default?return=" + "x" * 300,
        "/return/voordemensen/default?return=https://evil.example",
        "/return/voordemensen/other?return=unknown",
        "/return/nobody/default?return=unknown",
    ],
)
def test_without_a_known_key_nobody_is_sent_anywhere(shop: Running, address: str) -> None:
    assert shop.post("/v1/checkouts", CHECKOUT).status_code == 201
    answer = shop.call("GET", address, key=None, allow_redirects=False)
    problem(answer, 404, "not-found")
    assert "Location" not in answer.headers


def test_a_checkout_needs_a_key_and_a_valid_body(shop: Running) -> None:
    problem(shop.post("/v1/checkouts", CHECKOUT, key=None), 401, "unauthorized")
    fields = problem(shop.post("/v1/checkouts", CHECKOUT | {"order": {}, "cart_id": ""}), 422, "rejected")["errors"]
    assert [each["field"] for each in fields] == ["cart_id"]
    problem(shop.post("/v1/checkouts", []), 422, "rejected")
