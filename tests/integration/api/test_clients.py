"""Clients over HTTP: each sees and changes its own orders alone, whatever it asks for."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.integration.api.conftest import KEY, RIVAL_KEY, SHOP_KEY, SHOP_KEY_2, Running, problem, running
from tests.integration.api.operator import Operator, words
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.model import Attention, Status, Ticket, TicketKind
from willcall.orders.serialization import order_to_json
from willcall.stores.commits import Commit
from willcall.stores.connection import connect
from willcall.stores.documents import DocumentStore
from willcall.stores.events import NewEvent
from willcall.stores.registry import Stores

if TYPE_CHECKING:
    from redis import Redis

LATER = "2099-01-01T00:00:00Z"
PDF = b"%PDF-1.4\nrival's ticket\n%%EOF\n"


@pytest.fixture
def stores(redis_server: EmbeddedRedis) -> Stores:
    return Stores.connect(redis_server.url)


@dataclass
class Shop:
    """The client `shop`, which owns `own`, beside the client `rival`, which owns `theirs` and a document."""

    api: Running
    document: str
    #: What only the rival's order has.
    secrets: tuple[str, ...]
    own: str = "own"
    theirs: str = "theirs"

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Call with the key of the shop. Whatever the answer, nothing of the rival's order is in it."""
        answer = self.api.call(method, path, key=SHOP_KEY, json=body, **options)
        shown = answer.text + str(answer.headers)
        assert not [secret for secret in self.secrets if secret in shown], (method, path, shown)
        return answer

    def submission(self, **fields: Any) -> dict[str, Any]:
        return {"provider": "tiqets", "reference": "1111111", "not_before": LATER, **fields}


@pytest.fixture
def shop(api: Running, redis_server: EmbeddedRedis, stores: Stores) -> Shop:
    documents = DocumentStore(connect(redis_server.url), f"file://{api.folder}/documents")
    secrets = ["rivals-reference", "rivals-metadata", "rival.example", "RIVALS-CODE"]
    for order_id, key in (("own", SHOP_KEY), ("theirs", RIVAL_KEY), ("of-nobody", KEY)):
        fields: dict[str, Any] = {"id": order_id, "provider": "tiqets", "not_before": LATER}
        if key is not SHOP_KEY:
            fields |= {"metadata": {"note": secrets[1]}, "callback_url": f"https://{secrets[2]}/hook"}
        reference = "1111111" if key is SHOP_KEY else secrets[0] + order_id
        assert api.post("/v1/orders", {**fields, "reference": reference}, key=key).status_code == 201
        document = documents.put(PDF + order_id.encode(), order_id)
        code = "SHOPS-CODE" if key is SHOP_KEY else secrets[3]
        tickets = (Ticket(TicketKind.PDF, document=document.id), Ticket(TicketKind.BARCODE, code=code))
        before = stores.orders.get(order_id)
        assert before is not None
        after = replace(before, status=Status.PARTIAL, attention=Attention.MALFORMED, tickets=tickets)
        event = NewEvent(f"evt_{order_id}", "order.partial", order_to_json(after))
        stores.commits.write(Commit(before, after, tickets=True, event=event))
        if key is not SHOP_KEY:
            secrets += [document.id, event.id]
        if key is RIVAL_KEY:
            theirs = document.id
    return Shop(api, theirs, tuple(secrets))


def test_no_call_shows_or_changes_what_belongs_to_another_client(shop: Shop, stores: Stores) -> None:
    """Every call of the OpenAPI document has a rule here, so that a new one cannot be forgotten."""
    before = _of_others(shop, stores)
    document = shop.api.get("/openapi.json").json()
    operations = [(method.upper(), path) for path, item in document["paths"].items() for method in item]
    assert len(operations) > 15
    for method, path in operations:
        rule = _of_an_order if "{order_id}" in path else RULES.get((method, path))
        assert rule, f"{method} {path} has no rule: may clients call it, and what do they see?"
        rule(shop, method, path)
    assert before == _of_others(shop, stores)


def _of_others(shop: Shop, stores: Stores) -> Any:
    """A look counts as a request about its reference, whoever waits for it: the provider's minimum interval holds."""
    orders = stores.orders.get_many([shop.theirs, "of-nobody"])
    return [order and replace(order, last_poll_at=None) for order in orders], stores.deliveries.pending().count


def _of_an_order(shop: Shop, method: str, path: str) -> None:
    """The order of another is answered like one that does not exist."""
    for body in (None, {}, {"now": False}, {"now": True}, [], "x"):
        answers = []
        for order_id in (shop.theirs, "of-nobody", "no-such"):
            filled = path.replace("{order_id}", order_id).replace("{document_id}", shop.document)
            answer = shop.api.call(method, filled, key=SHOP_KEY, json=body)
            shown = {**answer.json(), "request_id": None}
            shown = json.loads(json.dumps(shown).replace(f"id {order_id}", "id ..."))
            answers.append((answer.status_code, shown, sorted(answer.headers)))
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] in {403, 404, 422}, (method, path, body, answers[0])
    filled = path.replace("{order_id}", shop.own).replace("{document_id}", shop.document)
    assert shop.call(method, filled).status_code in ({404} if "{document_id}" in path else range(200, 423))


def _list(shop: Shop, method: str, path: str) -> None:
    for dated in ({"event_after": "2000-01-01T00:00:00Z"}, {"updated_since": "2000-01-01T00:00:00Z"}):
        for cursor in (None, f"{1:016}:{shop.theirs}"):
            page = shop.call(method, path, params={**dated, "cursor": cursor}).json()
            assert {order["id"] for order in page["items"]} <= {shop.own}
            assert page["next_cursor"] is None
    for found in ({"text": "rivals"}, {"host": "rival.example"}, {"metadata.note": "rivals-metadata"}):
        assert shop.call(method, path, params=found).json() == {"items": [], "next_cursor": None}
        exported = shop.call(method, path, params={**found, "format": "csv", "columns": "id"})
        assert exported.text == "id\r\n"
    values: dict[str, list[Any]] = {
        "status": [None, Status.PARTIAL, Status.CANCELLED],
        "provider": [None, "tiqets"],
        "attention": [None, "true"],
        "cursor": [None, 1, 2, 3, 10**9],
        "group": [None, "shared"],
    }
    for chosen in product(*values.values()):
        query = {name: value for name, value in zip(values, chosen, strict=True) if value is not None}
        page = shop.call(method, path, params={**query, "limit": 1}).json()
        assert {order["id"] for order in page["items"]} <= {shop.own}
        assert page["next_cursor"] is None
    assert [order["id"] for order in shop.call(method, path).json()["items"]] == [shop.own]
    problem(shop.call(method, path, params={"client": "rival"}), 422, "rejected")


def _submit(shop: Shop, method: str, path: str) -> None:
    refusals = []
    for order_id in (shop.theirs, "of-nobody", shop.own):
        copy = shop.api.get(f"/v1/orders/{order_id}").json()
        for fields in ({}, {"reference": copy["reference"], "callback_url": copy["callback_url"]}):
            body = shop.submission(id=order_id, metadata={"other": "content"}) | fields
            refusals.append(problem(shop.call(method, path, body), 409, "conflict")["detail"].replace(order_id, "..."))
    assert set(refusals) == {"order ... already exists with different content"}
    assert shop.call(method, path, shop.submission(id=shop.own)).status_code == 200
    assert shop.call(method, path, shop.submission(id=shop.own, client="shop")).status_code == 200
    for client in ("rival", "no-such", "", 1, ["shop"], {}):
        refused = problem(shop.call(method, path, shop.submission(id="new", client=client)), 422, "rejected")
        assert refused["errors"] == [{"field": "client", "message": "is decided by the key; leave it out"}]
    for account in ({"provider": "tixstock"}, {"account": "no-such"}):
        refused = problem(shop.call(method, path, shop.submission(id="new", **account)), 422, "rejected")
        assert refused["detail"].endswith("; it can use: tiqets/default")
    problem(shop.api.get("/v1/orders/new"), 404, "not-found")


def _submit_batch(shop: Shop, method: str, path: str) -> None:
    orders = [
        shop.submission(id=shop.theirs),
        shop.submission(id="new", client="rival"),
        shop.submission(id=shop.own),
        7,
        shop.submission(id="new", provider="tixstock"),
    ]
    results = shop.call(method, path, {"orders": orders}).json()["results"]
    assert [result["status_code"] for result in results] == [409, 422, 200, 422, 422]
    assert results[2]["order"]["client"] == "shop"


def _bulk(shop: Shop, method: str, path: str) -> None:
    ids = [shop.theirs, "of-nobody", "no-such", shop.own]
    for action in ("poll", "resume", "redeliver", "complete", "cancel"):
        results = shop.call(method, path, {"action": action, "ids": ids}).json()["results"]
        problems = [json.dumps(result["error"]).replace(result["id"], "...") for result in results[:3]]
        assert len(set(problems)) == 1
        assert [result["status_code"] for result in results[:3]] == [404, 404, 404]
        for condition in ({"text": "t"}, {"text": "rivals"}, {"host": "rival.example"}, {"metadata": {"note": "x"}}):
            page = shop.call(method, path, {"action": action, "filter": condition}).json()
            assert {result["id"] for result in page["results"]} <= {shop.own}
            assert page["next_cursor"] is None


def _events(shop: Shop, method: str, path: str) -> None:
    everything = shop.api.get(path).json()
    cursors = ["0-0", everything["next_cursor"], shop.call(method, path).json()["next_cursor"], "999999999999999-0"]
    for after in (None, *cursors):
        page = shop.call(method, path, params={"after": after, "limit": 5}).json()
        assert {event["order_id"] for event in page["items"]} <= {shop.own}
    assert [event["id"] for event in shop.call(method, path).json()["items"]][:1] == ["evt_own"]
    assert {event["order_id"] for event in everything["items"]} >= {shop.own, shop.theirs, "of-nobody"}


def _accounts(shop: Shop, method: str, path: str) -> None:
    (account,) = shop.call(method, path).json()["items"]
    assert (account["account"], account["tokens"], account["backlog"]) == ("tiqets/default", None, None)
    assert sum(account["orders"].values()) == 1
    assert sum(sum(each["orders"].values()) for each in shop.api.get(path).json()["items"]) >= 3


def _forbidden(shop: Shop, method: str, path: str) -> None:
    filled = path.replace("{provider}", "tiqets").replace("{account}", "default").replace("{letter_id}", "1-1")
    for body in (None, {}, {"now": True}):
        refused = problem(shop.call(method, filled.replace("{name}", "polls"), body), 403, "forbidden")
        assert refused["detail"] == "this call is not for the key of a client"


def _look(shop: Shop, method: str, path: str) -> None:
    for account in ({"provider": "tixstock"}, {"account": "no-such"}):
        body = {"provider": "tiqets", "reference": "rivals-reference", **account}
        refused = problem(shop.call(method, path, body), 422, "rejected")
        assert refused["detail"].endswith("; it can use: tiqets/default")
    problem(shop.call(method, path, {"provider": "tiqets", "reference": "1", "client": "rival"}), 422, "rejected")
    assert shop.call(method, path, {"provider": "tiqets", "reference": "rivals-reference"}).status_code == 200


def _redeliveries(shop: Shop, method: str, path: str) -> None:
    for body in ({"undelivered": True}, {"since": "2020-01-01T00:00:00Z"}):
        result = shop.call(method, path, body).json()
        assert result == {"redelivered": 0, "skipped": int("since" in body), "next_cursor": None}


def _trigger(shop: Shop, method: str, path: str) -> None:
    refused = problem(shop.call(method, path, {"status": "fulfilled"}), 409, "closed")
    assert refused["detail"] == "no callback_url is given, and none is configured"
    problem(shop.call(method, path, {"status": "fulfilled", "client": "rival"}), 422, "rejected")


def _public(shop: Shop, method: str, path: str) -> None:
    shop.call(method, path)


def _checkout(shop: Shop, method: str, path: str) -> None:
    """Only at its own accounts, and not under an id of another client."""
    cart = {"cart_id": "1", "payment_id": 1, "redirect_url": "https://shop.example"}
    for provider in ("voordemensen", "tixstock", "tiqets"):
        for order_id in ("new", shop.theirs):
            answer = shop.call(method, path, {**cart, "provider": provider, "order": {"id": order_id}})
            assert answer.status_code == 422


RULES: dict[tuple[str, str], Callable[[Shop, str, str], None]] = {
    ("GET", "/v1/orders"): _list,
    ("POST", "/v1/orders"): _submit,
    ("POST", "/v1/orders:batch"): _submit_batch,
    ("POST", "/v1/orders:bulk"): _bulk,
    ("GET", "/v1/events"): _events,
    ("GET", "/v1/accounts"): _accounts,
    ("POST", "/v1/accounts/{provider}/{account}/pause"): _forbidden,
    ("POST", "/v1/accounts/{provider}/{account}/resume"): _forbidden,
    ("GET", "/v1/dead-letters"): _forbidden,
    ("DELETE", "/v1/dead-letters"): _forbidden,
    ("POST", "/v1/dead-letters/{letter_id}/requeue"): _forbidden,
    ("GET", "/metrics"): _forbidden,
    ("GET", "/v1/history"): _forbidden,
    ("POST", "/v1/look"): _look,
    ("POST", "/v1/checkouts"): _checkout,
    ("POST", "/v1/redeliveries"): _redeliveries,
    ("POST", "/v1/trigger"): _trigger,
    ("POST", "/v1/reload"): _forbidden,
    ("POST", "/v1/sweeps/{name}"): _forbidden,
    # They have no key, or one of the provider's.
    ("GET", "/healthz"): _public,
    ("GET", "/readyz"): _public,
    ("POST", "/webhooks/{provider}/{account}/{token}"): _public,
}


def test_a_client_uses_its_own_orders_as_a_backend_would(api: Running) -> None:
    path = "/v1/orders/cart-1"
    order = {"id": "cart-1", "provider": "tiqets", "reference": "1", "not_before": LATER}
    for key, status in ((SHOP_KEY, 201), (SHOP_KEY_2, 200)):
        answer = api.post("/v1/orders", order, key=key)
        assert (answer.status_code, answer.json()["client"]) == (status, "shop")
    assert api.get(path, key=SHOP_KEY).json() == api.get(path).json()
    assert api.get(f"{path}/attempts", key=SHOP_KEY).json()["items"] == []
    assert api.post(f"{path}/poll", key=SHOP_KEY).status_code == 202
    problem(api.post(f"{path}/poll", {"now": True}, key=SHOP_KEY), 403, "forbidden")
    problem(api.post(f"{path}/redeliver", key=SHOP_KEY), 409, "closed")
    assert api.post(f"{path}/cancel", key=SHOP_KEY).json()["status"] == "cancelled"
    api.get(path, key=SHOP_KEY, headers={"X-Request-Id": "find-the-client"})
    wait_until(lambda: any("find-the-client" in line and '"client": "shop"' in line for line in api.log.splitlines()))
    (event,) = api.get("/v1/events", key=SHOP_KEY).json()["items"]
    assert (event["type"], event["data"]["client"]) == ("order.cancelled", "shop")


def test_no_cursor_of_a_client_counts_the_orders_and_events_of_others(api: Running) -> None:
    for number in range(5):
        assert api.submit(f"of-nobody-{number}", not_before=LATER).status_code == 201
        api.post(f"/v1/orders/of-nobody-{number}/cancel")
        order = {"id": f"cart-{number}", "provider": "tiqets", "reference": f"{number}", "not_before": LATER}
        api.post("/v1/orders", order, key=SHOP_KEY)
        api.post(f"/v1/orders/cart-{number}/cancel", key=SHOP_KEY)
    ids, cursors, cursor = [], [], None
    while True:
        page = api.get("/v1/orders", params={"limit": 2, "cursor": cursor}, key=SHOP_KEY).json()
        ids += [order["id"] for order in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
        cursors.append(cursor)
    assert (ids, cursors) == ([f"cart-{number}" for number in (4, 3, 2, 1, 0)], ["4", "2"])
    fed, after = [], None
    while (page := api.get("/v1/events", params={"limit": 2, "after": after}, key=SHOP_KEY).json())["items"]:
        fed += [event["order_id"] for event in page["items"]]
        after = page["next_cursor"]
    assert fed == [f"cart-{number}" for number in range(5)]


def test_an_order_whose_account_is_gone_names_no_other_account(api: Running, stores: Stores, redis: "Redis") -> None:
    api.post("/v1/orders", {"id": "cart-1", "provider": "tiqets", "reference": "1"}, key=SHOP_KEY)
    redis.hset("willcall:order:cart-1", "account", "gone")
    refused = problem(api.post("/v1/orders/cart-1/poll", key=SHOP_KEY), 409, "closed")
    assert refused["detail"] == "the account tiqets/gone is not configured, so order cart-1 is not polled"
    assert stores.orders.get("cart-1") is not None


def test_the_keys_of_clients_alone_protect_the_api(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    given = {"WILLCALL_API__CLIENTS__SHOP__KEYS": json.dumps([SHOP_KEY])}
    with running(tmp_path, redis_server.url, host="0.0.0.0", environment=given) as api:  # noqa: S104
        problem(api.get("/v1/orders", key=None, headers={"Host": "localhost"}), 401, "unauthorized")
        assert api.get("/v1/orders", key=SHOP_KEY).status_code == 200
        assert api.get("/", key=SHOP_KEY, allow_redirects=False).status_code == 403
        assert api.get("/openapi.json", key=None).status_code == 200


def test_the_board_shows_and_filters_by_client(api: Running) -> None:
    for order_id, key in (("cart-1", SHOP_KEY), ("cart-2", RIVAL_KEY), ("cart-3", KEY)):
        order = {"id": order_id, "provider": "tiqets", "reference": order_id, "not_before": LATER}
        api.post("/v1/orders", order, key=key)
    operator = Operator(api)
    assert "Client shop" in words(operator.get("/orders/cart-1"))
    assert "Client" not in words(operator.get("/orders/cart-3"))
    listed = {client: words(operator.get(f"/orders?client={client}")) for client in ("", "shop", "rival", "no-such")}
    shown = {client: [n for n in (1, 2, 3) if f"cart-{n}" in text] for client, text in listed.items()}
    assert shown == {"": [1, 2, 3], "shop": [1], "rival": [2], "no-such": []}
    for wrong in ("client=tiqets/default", "client=shop&late=overdue"):
        assert operator.get(f"/orders?{wrong}").status_code == 422
    assert Operator(api, None).login(SHOP_KEY).status_code == 403
