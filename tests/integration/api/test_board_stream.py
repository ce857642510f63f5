"""What changes on a page comes by itself: server-sent events over a real server."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.integration.api.conftest import OPERATOR_KEY, Running
from tests.integration.api.operator import Operator, board
from tests.waiting import wait_until
from willcall.api.board.stream import MAX_VIEWERS
from willcall.api.middleware import MAX_IN_FLIGHT
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.connection import connect

LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def api(redis_server: EmbeddedRedis, tmp_path: Path, redis: object) -> Iterator[Running]:  # noqa: ARG001 - empties it
    with board(tmp_path, redis_server.url, OPERATOR_KEY) as api:
        yield api


@contextmanager
def watching(operator: Operator, query: str = "") -> Iterator[Iterator[dict[str, str]]]:
    """The changes that a page is sent, one by one."""
    with operator.session.get(f"{operator.url}/board/stream{query}", stream=True, timeout=60) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield changes(answer)


def changes(answer: requests.Response) -> Iterator[dict[str, str]]:
    kept = b""
    for chunk in answer.iter_content(None):
        *events, kept = (kept + chunk).split(b"\n\n")
        yield from (json.loads(event.removeprefix(b"data: ")) for event in events if event.startswith(b"data: "))


def until(changed: Iterator[dict[str, str]], part: str, words: str) -> dict[str, str]:
    """The change that brings these words to a part of the page."""
    return next(change for change in changed if words in change.get(part, ""))


def test_a_stream_starts_with_everything_and_continues_with_changes(api: Running) -> None:
    operator = Operator(api)
    with watching(operator) as changed:
        assert {"headline", "banners", "accounts", "attention", "activity", "status"} <= next(changed).keys()
        operator.post("/accounts/tiqets/default/pause")
        change = until(changed, "banners", "tiqets/default is paused")
        assert "activity" not in change
        assert "attention" not in change


def test_the_stream_of_an_orders_page_has_its_changes(api: Running) -> None:
    api.submit("ord-1", not_before=LATER)
    operator = Operator(api)
    with watching(operator, "?order=ord-1") as changed:
        assert next(changed).keys() == {"order", "connection-error"}
        operator.post("/orders/ord-1/cancel")
        assert until(changed, "order", "by the caller").keys() == {"order"}
    for gone in ("?order=a%2Fb", "?order="):
        answer = operator.get(f"/board/stream{gone}")
        assert answer.status_code == 404


@pytest.mark.proof
def test_streams_report_an_unreachable_redis_and_continue_afterwards(tmp_path: Path) -> None:
    own = EmbeddedRedis(tmp_path / "redis")
    own.start()
    try:
        with board(tmp_path, own.url, OPERATOR_KEY) as api, watching(operator := Operator(api)) as changed:
            assert next(changed)["connection-error"] == ""
            own.kill()
            until(changed, "connection-error", "Redis is not responding")
            page = operator.get("/")
            assert (page.status_code, page.headers["Refresh"]) == (503, "5"), "it comes back by itself"
            assert "orders continue automatically" in page.text
            assert "Redis is down" in page.text
            answer = operator.post("/accounts/tiqets/default/pause")
            assert answer.status_code == 503
            assert "Refresh" not in answer.headers, "nothing is done twice"
            own.start()
            assert next(change for change in changed if "connection-error" in change)["connection-error"] == ""
    finally:
        own.stop()


def test_an_unknown_order_has_no_stream(api: Running) -> None:
    answer = Operator(api).get("/board/stream?order=nobody", stream=True)
    assert answer.status_code == 404
    assert "page update failed" not in api.log


def test_the_stream_of_a_removed_order_ends(api: Running, redis_server: EmbeddedRedis) -> None:
    api.submit("ord-1", not_before=LATER)
    with watching(Operator(api), "?order=ord-1") as changed:
        next(changed)
        connect(redis_server.url).flushall()
        assert list(changed) == []
    assert "page update failed" not in api.log


def test_streams_are_limited_and_take_no_slots_of_requests(api: Running) -> None:
    operator = Operator(api)
    assert MAX_VIEWERS > MAX_IN_FLIGHT
    with ExitStack() as stack:
        watchers = [stack.enter_context(watching(operator)) for _ in range(MAX_VIEWERS)]
        assert all(next(changed) for changed in watchers)
        refused = operator.get("/board/stream")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
        assert operator.get("/").status_code == 200
    # It notices by itself that they have gone.
    wait_until(lambda: operator.get("/board/stream", stream=True).status_code != 503)


def test_the_server_stops_at_once_with_open_streams(api: Running) -> None:
    with watching(Operator(api)) as changed:
        next(changed)
        os.kill(api.process.pid, signal.SIGTERM)
        assert list(changed) == []
        assert api.process.wait(60) is not None
    assert "Traceback" not in api.log
    assert "graceful shutdown exceeded" not in api.log
