"""Histories name who acted: an operator by name, a client, a backend; on the board too."""

import json
from collections.abc import Iterator

import pytest

from tests.integration.api.conftest import KEY, OPERATOR_KEY, SHOP_KEY, Running, problem, running
from tests.integration.api.operator import Operator, words
from willcall.devtools.embedded_redis import EmbeddedRedis

ANNA_KEY = "anna-0123456789abcdef"


@pytest.fixture(scope="module")
def staffed(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API with a named operator beside one without a name, and a client."""
    environment = {
        "WILLCALL_API__OPERATOR_KEYS": json.dumps([OPERATOR_KEY]),
        "WILLCALL_API__OPERATORS__ANNA__KEYS": json.dumps([ANNA_KEY]),
        "WILLCALL_API__CLIENTS__SHOP__KEYS": json.dumps([SHOP_KEY]),
    }
    with running(tmp_path_factory.mktemp("staffed"), redis_server.url, KEY, environment=environment) as api:
        yield api


@pytest.fixture(autouse=True)
def _empty(redis: object) -> None:
    """Start with an empty Redis."""


def lines(api: Running, order_id: str) -> list[tuple[str, str]]:
    items = api.get(f"/v1/orders/{order_id}/attempts").json()["items"]
    return [(item["outcome"], item["why"]) for item in items]


def test_an_orders_timeline_says_who_did_what(staffed: Running) -> None:
    staffed.post("/v1/orders", {"id": "ord-1", "provider": "tiqets", "reference": "1111111"}, key=SHOP_KEY)
    for key in (SHOP_KEY, KEY, OPERATOR_KEY, ANNA_KEY, ANNA_KEY):
        assert staffed.post("/v1/orders/ord-1/poll", key=key).status_code == 202
    assert staffed.post("/v1/orders/ord-1/poll", {"now": True}, key=ANNA_KEY).status_code == 202
    Operator(staffed, ANNA_KEY).post("/orders/ord-1/cancel", back="/")
    assert lines(staffed, "ord-1") == [
        ("poll_requested", "client shop"),
        ("poll_requested", "the backend"),
        ("poll_requested", "an operator"),
        ("poll_requested", "operator anna"),
        ("poll_requested", "operator anna; the provider's Retry-After is ignored"),
        ("cancelled", "board: anna"),
    ]
    assert staffed.post("/v1/orders/ord-1/cancel", key=KEY).status_code == 202
    assert len(lines(staffed, "ord-1")) == 6, "nothing was done any more"


def test_the_history_has_accounts_dead_letters_and_reloads(staffed: Running) -> None:
    assert staffed.post("/v1/accounts/tiqets/default/pause", {"seconds": 60, "reason": "maintenance"}, key=ANNA_KEY)
    Operator(staffed).post("/accounts/tiqets/default/resume", back="/")
    assert staffed.call("DELETE", "/v1/dead-letters", key=KEY).status_code == 200
    assert staffed.post("/v1/reload", key=ANNA_KEY).status_code == 200
    items = staffed.get("/v1/history", key=OPERATOR_KEY).json()["items"]
    assert [(item["action"], item["by"], item["account"], item["detail"]) for item in items] == [
        ("reloaded", "operator anna", None, ""),
        ("dead_letters_cleared", "the backend", None, "0 deleted"),
        ("resumed", "board", "tiqets/default", ""),
        ("paused", "operator anna", "tiqets/default", "for 60 s; maintenance"),
    ]
    problem(staffed.get("/v1/history", key=SHOP_KEY), 403, "forbidden")
    shown = words(Operator(staffed, ANNA_KEY).get("/operations"))
    assert "operator anna paused tiqets/default for 60 s; maintenance" in shown
