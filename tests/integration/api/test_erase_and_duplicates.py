"""Erasing orders, duplicates and idempotency keys, over HTTP."""

from typing import Any

import pytest

from tests.integration.api.conftest import KEY, OPERATOR_KEY, RIVAL_KEY, SHOP_KEY, Running, problem
from tests.integration.api.operator import Operator, words
from willcall.orders.submission import is_order_id

SECRET = "eyJ-of-the-user"


def order(order_id: str | None = "ord-1", **fields: Any) -> dict[str, Any]:
    given = {"provider": "tiqets", "reference": "1111111", "metadata": {"cart": "77"}, **fields}
    return given if order_id is None else {"id": order_id, **given}


def end(api: Running, order_id: str = "ord-1", **fields: Any) -> None:
    assert api.post("/v1/orders", order(order_id, **fields)).status_code == 201
    assert api.post(f"/v1/orders/{order_id}/cancel").status_code == 202


def test_a_final_order_is_erased_and_its_id_stays(api: Running) -> None:
    end(api)
    path = "/v1/orders/ord-1"
    before = api.get(path).json()
    assert "erased_at" not in before
    for _ in range(2):
        response = api.call("DELETE", path)
        assert (response.status_code, response.content) == (204, b"")
    after = api.get(path).json()
    stays = ("id", "provider", "account", "status", "ended_by", "submitted_at", "deadline_at", "finished_at")
    assert {name: after[name] for name in stays} == {name: before[name] for name in stays}
    assert (after["reference"], after["metadata"], after["tickets"], after["reason"]) == ("", {}, [], None)
    assert after["erased_at"]
    assert [entry["outcome"] for entry in api.get(f"{path}/attempts").json()["items"]][-1] == "erased"
    assert [item["id"] for item in api.get("/v1/orders").json()["items"]] == ["ord-1"]
    (event,) = api.get("/v1/events").json()["items"]
    assert (event["type"], event["data"]["reference"], event["data"]["metadata"]) == ("order.cancelled", "", {})
    refused = problem(api.post("/v1/orders", order()), 409, "closed")
    assert refused["detail"] == "order ord-1 was erased; its id cannot be used again"
    for action in ("poll", "redeliver", "cancel"):
        assert "was erased" in problem(api.post(f"{path}/{action}"), 409, "closed")["detail"]


def test_an_open_order_and_an_unknown_one_are_not_erased(api: Running) -> None:
    api.post("/v1/orders", order())
    closed = problem(api.call("DELETE", "/v1/orders/ord-1"), 409, "closed")
    assert closed["detail"] == "order ord-1 is pending; cancel it before you erase it"
    problem(api.call("DELETE", "/v1/orders/ord-2"), 404, "not-found")
    assert api.get("/v1/orders/ord-1").json()["reference"] == "1111111"


def test_clients_erase_their_own_orders_and_operators_all(api: Running) -> None:
    for order_id, key in (("own", SHOP_KEY), ("other", SHOP_KEY), ("theirs", RIVAL_KEY)):
        api.post("/v1/orders", order(order_id, allow_duplicate=True), key=key)
        api.post(f"/v1/orders/{order_id}/cancel", key=key)
    problem(api.call("DELETE", "/v1/orders/theirs", key=SHOP_KEY), 404, "not-found")
    assert api.call("DELETE", "/v1/orders/own", key=SHOP_KEY).status_code == 204
    assert api.call("DELETE", "/v1/orders/other", key=OPERATOR_KEY).status_code == 204
    # Positions in the client's feed hold, and show no content.
    first, second = api.get("/v1/events", key=SHOP_KEY).json()["items"]
    after = api.get("/v1/events", params={"limit": 1}, key=SHOP_KEY).json()["next_cursor"]
    assert api.get("/v1/events", params={"after": after}, key=SHOP_KEY).json()["items"] == [second]
    assert [first["data"]["reference"], second["data"]["reference"]] == ["", ""]
    (rivals,) = api.get("/v1/events", key=RIVAL_KEY).json()["items"]
    assert rivals["data"]["reference"] == "1111111"


def test_the_board_erases_after_confirmation(api: Running) -> None:
    end(api)
    board = Operator(api)
    page = board.get("/orders/ord-1").text
    assert "Erase this order" in page
    assert "This cannot be undone." in page
    board.post("/orders/ord-1/erase", back="/orders/ord-1")
    answer = words(board.get("/orders/ord-1"))
    assert "Order ord-1 is erased." in answer
    assert "Erase this order" not in answer
    assert "1111111" not in answer
    assert "Only its id, times and outcomes are left." in answer


def test_a_duplicate_names_the_other_order_to_its_owner_alone(api: Running) -> None:
    api.post("/v1/orders", order("own"), key=SHOP_KEY)
    for key, named in ((SHOP_KEY, True), (RIVAL_KEY, False), (KEY, True)):
        refused = problem(api.post("/v1/orders", order("more"), key=key), 409, "duplicate")
        assert ("order own with" in refused["detail"]) is named
        batch = api.post("/v1/orders:batch", {"orders": [order("more")]}, key=key).json()["results"]
        assert [result["status_code"] for result in batch] == [409]
        assert ("own" in batch[0]["error"]["detail"].split()) is named
    assert api.post("/v1/orders", order("more", allow_duplicate=True), key=RIVAL_KEY).status_code == 201
    problem(api.post("/v1/orders", order("even-more", allow_duplicate="yes")), 422, "rejected")


def test_credentials_are_never_shown(api: Running) -> None:
    payload = order(provider="tiqets", credentials={"cognito_token": SECRET})
    refused = problem(api.post("/v1/orders", payload), 422, "rejected")
    assert refused["detail"] == "credentials: tiqets has no credentials of users; leave it out"
    assert SECRET not in api.log


@pytest.mark.parametrize(("key", "order_id"), [("cart-42", "cart-42"), ('"cart-42"', "cart-42"), ("a/b c", None)])
def test_an_idempotency_key_stands_for_an_id(api: Running, key: str, order_id: str | None) -> None:
    headers = {"Idempotency-Key": key}
    first = api.post("/v1/orders", order(None), headers=headers)
    again = api.post("/v1/orders", order(None), headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    made = first.json()["id"]
    assert again.json()["id"] == made
    assert is_order_id(made)
    assert order_id in {None, made}
    problem(api.post("/v1/orders", order(None, quantity=3), headers=headers), 409, "conflict")
    assert api.post("/v1/orders", order(made), headers=headers).status_code == 200
    refused = problem(api.post("/v1/orders", order("another"), headers=headers), 422, "rejected")
    assert refused["detail"] == "id: differs from the Idempotency-Key; leave one of them out"


@pytest.mark.parametrize("key", ["", "x" * 256, '""', "é"])
def test_a_key_that_no_header_carries_unchanged_is_rejected(api: Running, key: str) -> None:
    response = api.post("/v1/orders", order(None), headers={"Idempotency-Key": key.encode()})  # type: ignore[dict-item]
    assert (
        "Idempotency-Key: must be 1 to 255 printable ASCII characters" in problem(response, 422, "rejected")["detail"]
    )


def test_two_idempotency_keys_are_none(api: Running) -> None:
    body = b'{"provider": "tiqets", "reference": "1111111"}'
    head = (
        f"POST /v1/orders HTTP/1.1\r\nHost: willcall\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n"
    )
    keys = "Content-Type: application/json\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nConnection: close\r\n\r\n"
    assert b"Idempotency-Key: must be given once" in api.exchange((head + keys).encode() + body)
    assert api.get("/v1/orders").json()["items"] == []


def test_a_batch_takes_one_key_for_all_orders_without_an_id(api: Running) -> None:
    orders = [order(None, reference=f"100000{number}") for number in range(3)] + [order("own")]
    headers = {"Idempotency-Key": "batch-7"}
    first, again = (api.post("/v1/orders:batch", {"orders": orders}, headers=headers).json() for _ in range(2))
    assert [result["status_code"] for result in first["results"]] == [201] * 4
    assert [result["status_code"] for result in again["results"]] == [200] * 4
    ids = [result["id"] for result in first["results"]]
    assert [result["id"] for result in again["results"]] == ids
    assert len(set(ids)) == 4
    assert ids[3] == "own"
    refused = {"orders": [order(None, reference="1000000", quantity=9)]}
    [result] = api.post("/v1/orders:batch", refused, headers=headers).json()["results"]
    assert (result["status_code"], result["id"]) == (409, ids[0])
    other = api.post("/v1/orders", order(None), headers=headers, key=RIVAL_KEY)
    assert other.status_code == 409
