"""Orders over HTTP, as a backend that does not use our client."""

import json
from typing import Any

import pytest

from tests.integration.api.conftest import Running, problem, reference_of
from willcall.orders.serialization import order_to_json
from willcall.stores.registry import Stores

BATCH_LIMIT = 16 * 1024 * 1024


def stored_order(stores: Stores, order_id: str = "ord-1") -> dict[str, Any]:
    order = stores.orders.get(order_id)
    assert order is not None
    return order_to_json(order)


def test_the_same_order_is_accepted_once_and_other_content_is_a_conflict(api: Running, stores: Stores) -> None:
    new = api.submit(metadata={"cart": "42"}, not_before="2099-01-01T01:00:00+01:00")
    assert (new.status_code, new.json()) == (201, stored_order(stores))
    again = api.submit(metadata={"cart": "42"}, not_before="2099-01-01T00:00:00Z")
    assert (again.status_code, again.json()) == (200, new.json())
    assert "already exists" in problem(api.submit(), 409, "conflict")["detail"]
    assert api.get("/v1/orders/ord-1").json() == new.json()


def test_an_order_keeps_its_event_and_group_which_are_part_of_its_content(api: Running) -> None:
    new = api.submit(event_at="2099-05-01T20:00:00+02:00", group=" hamlet-friday ").json()
    assert (new["event_at"], new["group"]) == ("2099-05-01T18:00:00Z", "hamlet-friday")
    assert (new["ended_by"], new["at_risk"], new["needs"]) == (None, False, None)
    assert new["updated_at"] == new["submitted_at"]
    assert api.submit(event_at="2099-05-01T18:00:00Z", group="hamlet-friday").status_code == 200
    problem(api.submit(event_at="2099-05-01T18:00:01Z", group="hamlet-friday"), 409, "conflict")
    problem(api.submit(event_at="2099-05-01T18:00:00Z"), 409, "conflict")
    for wrong in ({"event_at": "tonight"}, {"event_at": 4_000_000_000}, {"group": ""}, {"group": "a\nb"}, {"group": 1}):
        (error,) = problem(api.submit("ord-2", **wrong), 422, "rejected")["errors"]
        assert error["field"] in wrong


def test_an_event_tells_who_ended_the_order_and_when_it_changed(api: Running) -> None:
    api.submit()
    assert api.post("/v1/orders/ord-1/cancel").json()["ended_by"] == "caller"
    (event,) = api.get("/v1/events").json()["items"]
    assert event["data"]["ended_by"] == "caller"
    assert event["data"]["updated_at"] == event["occurred_at"] == api.get("/v1/orders/ord-1").json()["updated_at"]


def test_every_error_of_an_order_is_named_and_nothing_is_stored(api: Running, stores: Stores) -> None:
    answer = api.post("/v1/orders", {"id": "ord-1", "provider": "tiqets", "quantity": "2", "colour": "blue"})
    errors = {error["field"]: error["message"] for error in problem(answer, 422, "rejected")["errors"]}
    assert errors.keys() == {"reference", "quantity", "colour"}
    assert errors["reference"] == "is missing"
    unknown = problem(api.submit(provider="nobody"), 422, "rejected")
    assert "unknown provider nobody" in unknown["detail"]
    assert problem(api.submit(callback_url="ftp://a.nl"), 422, "rejected")["errors"][0]["field"] == "callback_url"
    for host in ("10.0.0.1", "shop", "localhost"):
        detail = problem(api.submit(callback_url=f"http://{host}:8000/"), 422, "rejected")["detail"]
        assert "`outbound.allow`" in detail
    assert stores.orders.get("ord-1") is None


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"[]", "must be an object"),
        (b'{"reference": "\xff"}', "not UTF-8"),
        (b'{"reference": "\\ud800"}', "UTF-8 cannot encode"),
        (b'{"quantity": NaN}', "out of range"),
        (b"[" * 50_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_rejected(api: Running, body: bytes, complaint: str) -> None:
    answer = api.call("POST", "/v1/orders", data=body, headers={"Content-Type": "application/json"})
    assert complaint in problem(answer, 422, "rejected")["detail"]


def test_the_content_type_must_be_json(api: Running) -> None:
    for content_type in ("text/plain", "application/json; charset=latin1", ""):
        answer = api.call("POST", "/v1/orders", data=b"{}", headers={"Content-Type": content_type})
        problem(answer, 415, "unsupported-media-type")


def test_a_body_that_is_too_large_is_rejected_with_and_without_content_length(api: Running) -> None:
    large = json.dumps({"provider": "tiqets", "reference": "1", "language": "x" * 70_000}).encode()
    headers = {"Content-Type": "application/json"}
    problem(api.call("POST", "/v1/orders", data=large, headers=headers), 413, "too-large")
    problem(api.call("POST", "/v1/orders", data=iter([large]), headers=headers), 413, "too-large")
    batch = api.call("POST", "/v1/orders:batch", data=b" " * (BATCH_LIMIT + 1), headers=headers)
    assert "16,777,216" in problem(batch, 413, "too-large")["detail"]


def test_a_batch_has_one_result_for_each_order_in_sequence(api: Running, stores: Stores) -> None:
    api.submit("known")
    api.submit("conflicting")
    good = {"provider": "tiqets", "reference": "1111111"}
    known = {"provider": "tiqets", **reference_of("known")}
    payloads: list[Any] = [
        {**good, "id": "new"},
        {**known, "id": "known"},
        {**good, "id": "conflicting", "quantity": 3},
        {**good, "id": "bad", "provider": "nobody"},
        {**good, "id": "new"},
        "nonsense",
        {**good, "reference": "1111112"},
    ]
    results = api.post("/v1/orders:batch", {"orders": payloads}).json()["results"]
    assert [result["status_code"] for result in results] == [201, 200, 409, 422, 200, 422, 201]
    assert [result["id"] for result in results[:6]] == ["new", "known", "conflicting", "bad", "new", None]
    assert results[0]["order"] == stored_order(stores, "new")
    assert results[3]["error"]["errors"][0]["field"] == "provider"
    assert results[6]["order"]["id"] == results[6]["id"]


def test_a_batch_that_is_empty_or_too_large_is_rejected_as_a_whole(api: Running) -> None:
    assert api.post("/v1/orders:batch", {"orders": []}).json() == {"results": []}
    for body in ({"orders": [{}] * 1_001}, {}, {"orders": {}}, {"orders": [], "more": 1}, []):
        problem(api.post("/v1/orders:batch", body), 422, "rejected")
    assert problem(api.post("/v1/orders:batch", []), 422, "rejected")["detail"] == "body: must be an object"
    assert problem(api.post("/v1/orders:batch", {"orders": {}}), 422, "rejected")["detail"] == "orders: must be a list"


def test_orders_are_listed_in_pages_newest_first(api: Running) -> None:
    for number in range(5):
        api.submit(f"ord-{number}", provider="tixstock" if number == 4 else "tiqets")
    seen, cursor = [], None
    while not seen or cursor:
        page = api.get("/v1/orders", params={"limit": 2, "cursor": cursor}).json()
        seen += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["ord-4", "ord-3", "ord-2", "ord-1", "ord-0"]

    def ids(**query: str) -> list[str]:
        return [order["id"] for order in api.get("/v1/orders", params=query).json()["items"]]

    assert ids(provider="tixstock", status="pending") == ["ord-4"]
    assert ids(status="fulfilled") == ids(attention="true") == ids(attention="not_found") == []


def test_orders_are_listed_by_event_by_change_and_by_group(api: Running) -> None:
    for number, event_at in enumerate(["2099-05-01T20:00:00Z", "2099-05-01T18:00:00Z", "2099-05-02T18:00:00Z", None]):
        api.submit(f"ord-{number}", event_at=event_at, group=None if number == 1 else "hamlet")
    api.post("/v1/orders/ord-0/cancel")

    def ids(**query: str) -> list[str]:
        found, cursor = [], None
        while not found or cursor:
            page = api.get("/v1/orders", params={"limit": 1, "cursor": cursor, **query}).json()
            found += [order["id"] for order in page["items"]]
            cursor = page["next_cursor"]
        return found

    assert ids(event_before="2099-05-02T02:00:00+02:00") == ["ord-1", "ord-0"]
    assert ids(event_before="2099-05-02T00:00:00Z", status="pending") == ["ord-1"]
    assert ids(event_after="2099-05-01T20:00:00Z") == ["ord-0", "ord-2"]
    assert ids(group="hamlet") == ["ord-3", "ord-2", "ord-0"]
    assert ids(group="hamlet", event_after="2099-05-01T00:00:00Z", status="pending") == ["ord-2"]
    cancelled = api.get("/v1/orders/ord-0").json()["updated_at"]
    assert ids(updated_since=cancelled)[-1] == "ord-0"
    assert ids(updated_since="2026-01-01T00:00:00Z", status="cancelled") == ["ord-0"]


@pytest.mark.parametrize(
    "query",
    [
        "event_before=tonight",
        "event_after=1900000000",
        "updated_since=2026-12-01T00:00:00",
        "group=",
        "cursor=7&updated_since=2026-12-01T00:00:00Z",
        "cursor=0001900000000000:ord-1",
        "colour=blue",
        "status=done",
        "provider=nobody",
        "attention=no",
        "limit=0",
        "limit=501",
        "cursor=x",
        "cursor=٣",
    ],
)
def test_an_invalid_query_is_rejected(api: Running, query: str) -> None:
    rejection = problem(api.get(f"/v1/orders?{query}"), 422, "rejected")
    assert [error["field"] for error in rejection["errors"]] == [query.partition("=")[0]]
    assert problem(api.get("/v1/orders/ord-1?colour=blue"), 422, "rejected")["detail"] == "colour: is not recognized"


def test_an_order_can_be_polled_and_cancelled_until_it_is_closed(api: Running) -> None:
    api.submit(not_before="2099-01-01T00:00:00Z")
    expedited = api.post("/v1/orders/ord-1/poll")
    assert (expedited.status_code, expedited.json()["next_poll_at"]) == (202, "2099-01-01T00:00:00Z")
    page = api.get("/v1/orders/ord-1/attempts").json()
    assert ([entry["outcome"] for entry in page["items"]], page["next_cursor"]) == (["poll_requested"], None)
    for _ in range(2):
        cancelled = api.post("/v1/orders/ord-1/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    problem(api.post("/v1/orders/ord-1/poll"), 409, "closed")


def test_an_event_can_be_redelivered_if_the_order_has_a_callback_url(api: Running) -> None:
    api.submit()
    problem(api.post("/v1/orders/ord-1/redeliver"), 409, "closed")
    api.submit("ord-2", callback_url="https://backend.example.com/")
    problem(api.post("/v1/orders/ord-2/redeliver"), 409, "closed")
    api.post("/v1/orders/ord-2/cancel")
    assert api.post("/v1/orders/ord-2/redeliver").status_code == 202


@pytest.mark.parametrize("order_id", ["nobody", "!!", "%00", "ord-1:spec", "x" * 5_000])
def test_an_unknown_order_is_not_found(api: Running, order_id: str) -> None:
    api.submit()
    for method, what in (
        ("GET", ""),
        ("GET", "/attempts"),
        ("POST", "/poll"),
        ("POST", "/cancel"),
        ("POST", "/redeliver"),
    ):
        problem(api.call(method, f"/v1/orders/{order_id}{what}"), 404, "not-found")


def test_unknown_paths_and_methods_are_problem_documents(api: Running) -> None:
    assert "/docs" in problem(api.get("/v1/nothing", key=None), 404, "not-found")["detail"]
    answer = api.call("DELETE", "/v1/orders")
    problem(answer, 405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
