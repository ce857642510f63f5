"""The shops of examples/ do what docs/examples.md shows, each against a Willcall of its own."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.examples.shops import EXAMPLES, SHOPS, Gate, Process, Shop
from tests.waiting import wait_until
from willcall.api.openapi_events import EVENT_TYPES
from willcall_client.testing import WillcallServer

pytestmark = pytest.mark.proof

PAGE = (EXAMPLES.parent / "docs" / "examples.md").read_text()
#: What the page shows of the shop's web server, and of what follows the feed.
SERVED, FOLLOWED = (block.split("\n") for block in re.findall(r"^```text\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL))
NODE = next(example for example in SHOPS if example.name == "node")
#: Where an error is expected, the compiler complains if there is none.
PROGRAM = """
import { type Event, willcall } from "./willcall.js";

const body = { provider: "tiqets", reference: "1" };
const { data: order, error } = await willcall.POST("/v1/orders", { body });
const amount: number | null | undefined = order?.quantity;
const detail: string | undefined = error?.detail;

// @ts-expect-error: an order needs a reference
await willcall.POST("/v1/orders", { body: { provider: "tiqets" } });
// @ts-expect-error: it has no such field
await willcall.POST("/v1/orders", { body: { ...body, colour: "red" } satisfies typeof body });
// @ts-expect-error: there is no such status
await willcall.GET("/v1/orders", { params: { query: { status: "done" } } });
// @ts-expect-error: there is no such call
await willcall.GET("/v1/tickets");

export function describe(event: Event): string {
  switch (event.type) {
%s
    // @ts-expect-error: there is no such event
    case "order.done":
      return "";
  }
}
"""
WILLCALL = Path(sys.executable).with_name("willcall")


@dataclass(frozen=True)
class Running:
    """A shop that serves, and a Willcall, which it reaches through the gate."""

    shop: Shop
    web: Process
    server: WillcallServer
    gate: Gate

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Send the shop a webhook; return the status of its response."""
        headers = {"content-type": "application/json", **headers}
        url = f"{self.shop.url}/willcall"
        return httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False).status_code

    def signed(self, body: bytes, event_id: str = "evt_1", age: int = 0) -> dict[str, str]:
        """The headers with which Willcall would have sent this, so many seconds ago."""
        moment = datetime.now(UTC) - timedelta(seconds=age)
        signature = Webhook(self.server.webhook_secret).sign(event_id, moment, body.decode())
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signature,
        }

    def event(self, order_id: str, event_id: str = "evt_1", **changes: Any) -> dict[str, Any]:
        """An event of an order as it is now."""
        order = dict(self.server.client.order(order_id).raw)
        occurred_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        event = {"id": event_id, "type": f"order.{order['status']}", "order_id": order_id, "occurred_at": occurred_at}
        return {**event, "data": order, **changes}


@pytest.fixture(scope="module", params=SHOPS, ids=lambda example: example.name)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ExitStack() as opened:
        server = opened.enter_context(WillcallServer(WILLCALL))
        gate = Gate(server.url)
        opened.callback(gate.stop)
        environment = {
            "WILLCALL_URL": gate.url,
            "WILLCALL_KEY": server.key,
            "WEBHOOK_SECRET": server.webhook_secret,
        }
        folder = tmp_path_factory.mktemp("shops") / request.param.name
        shop = opened.enter_context(closing(Shop(request.param, folder, environment)))
        yield Running(shop, shop.serve(), server, gate)


def test_the_readme_names_the_commands_of_each_shop() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    for example in SHOPS:
        for command in (*example.prepare, example.serve, example.follow):
            assert f"$ {command}\n" in readme, example.name


@pytest.mark.parametrize("running", [NODE], ids=["node"], indirect=True)
def test_a_generated_client_knows_what_may_be_left_out_and_which_events_there_are(running: Running) -> None:
    cases = "\n".join(f'    case "{kind}":\n      return event.data.status;' for kind in EVENT_TYPES)
    checked = running.shop.check_types(PROGRAM % cases)
    assert checked.returncode == 0, checked.stdout


def test_tickets_of_a_submitted_order_arrive_by_webhook(running: Running) -> None:
    running.server.simulator.add_order("tiqets", "cart-1", quantity=1, ready_after=0.5)
    running.shop.buy("cart-1")
    running.shop.buy("cart-1")  # it is accepted once
    wait_until(lambda: running.web.events)
    assert running.web.events == SERVED
    assert running.shop.order("cart-1") == ("fulfilled", 1)


def test_a_webhook_that_was_not_signed_just_now_is_rejected(running: Running) -> None:
    running.server.client.submit("tiqets", "cart-5", id="cart-5")
    body = json.dumps(running.event("cart-5")).encode()
    signed = running.signed(body)
    assert running.post(body.replace(b"cart-5", b"cart-1"), signed) == 401
    assert running.post(body, {**signed, "webhook-signature": "v1,AAAA"}) == 401
    assert running.post(body, {**signed, "webhook-id": "evt_2"}) == 401
    assert running.post(body, running.signed(body, age=600)) == 401
    assert running.post(body, running.signed(body, age=-600)) == 401
    assert running.post(body, {}) == 401
    several = {**signed, "webhook-signature": f"v1,AAAA v2,AAAA {signed['webhook-signature']}"}
    assert running.post(body, several) == 204


def test_a_signature_is_that_of_the_body_as_it_was_sent(running: Running) -> None:
    running.server.client.submit("tiqets", "cart-6", id="cart-6", metadata={"name": "Zo\u00eb \U0001f3ab"})
    body = json.dumps(running.event("cart-6", "evt_6"), ensure_ascii=False, indent=1).encode()
    assert running.post(body, running.signed(body, "evt_6")) == 204


def test_an_event_is_handled_once_and_an_older_one_changes_nothing(running: Running) -> None:
    running.server.simulator.add_order("tiqets", "cart-7", ends="never")
    running.shop.buy("cart-7")
    before = len(running.web.events)
    event = running.event("cart-7", "evt_7", type="order.failed")
    event["data"] = {**event["data"], "status": "failed"}
    older = {**event, "id": "evt_8", "type": "order.partial", "occurred_at": "2026-01-01T00:00:00Z"}
    older["data"] = {**event["data"], "status": "partial"}
    for each in (event, event, older):
        body = json.dumps(each).encode()
        assert running.post(body, running.signed(body, each["id"])) == 204
    assert running.web.events[before:] == ["order.failed cart-7, tickets: 0"]
    assert running.shop.order("cart-7") == ("failed", 0)


def test_the_feed_brings_what_an_outage_kept_away(running: Running) -> None:
    shop, server, gate = running.shop, running.server, running.gate
    server.simulator.update_account("tiqets", down="503")
    for order_id in ("cart-2", "cart-3", "cart-4"):
        server.simulator.add_order(
            "tiqets", order_id, quantity=1, ends="fulfilled" if order_id == "cart-2" else "never"
        )
        shop.buy(order_id)
    running.web.kill()
    server.simulator.update_account("tiqets", down=None)
    follower = shop.follow()
    wait_until(lambda: follower.events)
    assert follower.events == FOLLOWED[:1]

    gate.close()
    server.client.cancel("cart-3")
    wait_until(lambda: gate.refused >= 2)
    gate.open()
    wait_until(lambda: len(follower.events) > 1)
    assert follower.events == FOLLOWED[:2]

    follower.kill()
    gate.requested.clear()
    server.client.cancel("cart-4")
    again = shop.follow()
    wait_until(lambda: again.events)
    assert again.events == FOLLOWED[2:]
    first = next(request for request in gate.requested if b"/v1/events" in request)
    assert b"after=" in first.partition(b"\r\n")[0]

    shop.serve()
    assert [shop.order(f"cart-{number}")[0] for number in (2, 3, 4)] == ["fulfilled", "cancelled", "cancelled"]
