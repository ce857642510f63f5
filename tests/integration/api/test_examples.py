"""The examples of docs/backend.md and docs/events.md, as those who need them run them."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from standardwebhooks import Webhook

from tests.integration.api.conftest import KEY, ROOT, Running
from tests.scripted_server import Serve, saying, whole
from tests.waiting import wait_until
from willcall.api.examples import EXAMPLES
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port

if TYPE_CHECKING:
    from redis import Redis

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests").decode()


@contextmanager
def example(name: str, folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A running example; its output is what it prints."""
    command = [sys.executable, str(ROOT / "docs" / "examples" / name), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
        try:
            yield child
        finally:
            child.kill()


def lines(child: "subprocess.Popen[str]", count: int) -> list[str]:
    assert child.stdout
    return [child.stdout.readline().rstrip() for _ in range(count)]


def test_a_client_submits_and_waits_for_the_end(api: Running, tmp_path: Path) -> None:
    with example("submit_with_client.py", tmp_path, api.url, KEY) as child:
        assert lines(child, 1)[0].startswith("cart-42 pending next poll at 20")
        api.post("/v1/orders/cart-42/cancel")
        rest, _ = child.communicate(timeout=120)
        assert rest.splitlines()[-1] == "cart-42 cancelled"
        assert child.returncode == 0


def test_a_celery_backend_sends_an_order_that_is_accepted(
    api: Running, redis_server: EmbeddedRedis, redis: "Redis", tmp_path: Path
) -> None:
    with example("submit_with_celery.py", tmp_path, redis_server.url) as child:
        out, _ = child.communicate(timeout=120)
    assert (out, child.returncode) == ("sent\n", 0)
    message = json.loads(str(redis.lpop("willcall")))
    _, order, _ = json.loads(base64.b64decode(message["body"]))
    assert message["headers"]["task"] == "tasks.submit"
    assert api.post("/v1/orders", order).status_code == 201


def test_a_receiver_accepts_each_signed_event_once(tmp_path: Path) -> None:
    port = free_port()
    event = EXAMPLES["EventPage"]["items"][0]
    body, now = json.dumps(event), datetime.now(UTC)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp()))}
    signed = headers | {"webhook-signature": Webhook(SECRET).sign("evt_1", now, body)}
    with example("receiver.py", tmp_path, SECRET, str(port)) as child:
        lines(child, 1)
        for given, status in ((signed, 204), (signed, 204), (headers | {"webhook-signature": "v1,AAAA"}, 401)):
            answer = requests.post(f"http://127.0.0.1:{port}", data=body, headers=given, timeout=60)
            assert answer.status_code == status
        child.kill()
        out, _ = child.communicate()
    assert out == f"order.fulfilled {event['order_id']} ['pdf']\n"


def test_a_feed_follower_continues_at_its_cursor(api: Running, tmp_path: Path) -> None:
    for number in range(2):
        api.submit(f"ord-{number}")
        api.post(f"/v1/orders/ord-{number}/cancel")
        with example("follow_the_feed.py", tmp_path, api.url, KEY) as child:
            assert lines(child, 1)[0].endswith(f"order.cancelled ord-{number}")
            wait_until(lambda: place(tmp_path) == api.get("/v1/events").json()["next_cursor"])


def test_a_pager_gets_an_alert_when_an_account_fails_and_when_it_recovers(serve: Serve, tmp_path: Path) -> None:
    pager, port = serve(saying(whole())), free_port()
    account = {"provider": "tiqets", "account": "default", "why": "401", "orders_waiting": 4}
    with example("pager.py", tmp_path, SECRET, str(port), pager.url, "routing-key") as child:
        lines(child, 1)
        for health in ("unauthorized", "ok"):
            subject, data = "account:tiqets/default", account | {"health": health}
            ring(port, {"id": "evt_1", "type": f"account.{health}", "subject": subject, "data": data})
        order = {"id": "cart-42", "provider": "tiqets", "account": "default", "why": "The provider does not know it."}
        ring(port, {"id": "evt_1", "type": "order.attention", "subject": "order:cart-42", "data": order})
    rung = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in pager.requests]
    assert [(each["event_action"], each["dedup_key"], each["payload"]["summary"]) for each in rung] == [
        ("trigger", "account:tiqets/default", "tiqets/default is unauthorized (401), 4 orders wait"),
        ("resolve", "account:tiqets/default", "tiqets/default is ok (401), 4 orders wait"),
        ("trigger", "order:cart-42", "Order cart-42 of tiqets/default needs attention: The provider does not know it."),
    ]


def ring(port: int, event: dict[str, Any]) -> None:
    """POST an event, signed; it is answered when the pager has taken it."""
    body, now = json.dumps(event), datetime.now(UTC)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp()))}
    headers["webhook-signature"] = Webhook(SECRET).sign("evt_1", now, body)
    assert requests.post(f"http://127.0.0.1:{port}", data=body, headers=headers, timeout=60).status_code == 204


def place(folder: Path) -> str:
    kept = folder / "cursor.txt"
    return kept.read_text() if kept.exists() else ""
