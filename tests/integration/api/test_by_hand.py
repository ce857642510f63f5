"""What people do to orders by hand, over HTTP and on the board."""

from typing import Any

import pytest
import requests

from tests.integration.api.conftest import KEY, OPERATOR_KEY, RIVAL_KEY, SHOP_KEY, Running, problem
from tests.integration.api.operator import Operator, words

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
LATER = "2030-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def order(api: Running) -> None:
    """An order of the client shop."""
    fields = {"id": "ord-1", "provider": "tiqets", "reference": "1", "quantity": 4, "not_before": LATER}
    assert api.post("/v1/orders", fields, key=SHOP_KEY).status_code == 201


def complete(api: Running, *files: bytes, key: str = KEY, **fields: Any) -> requests.Response:
    parts = [("file", (f"ticket-{number}.pdf", content)) for number, content in enumerate(files)]
    parts += [(name, (None, value)) for name, values in fields.items() for value in values]
    return api.call("POST", "/v1/orders/ord-1/complete", key=key, files=parts or None)


def test_an_order_is_completed_with_files_codes_and_addresses(api: Running) -> None:
    content = PDF + b"x" * 2_000_000  # in files on both sides
    answer = complete(
        api, content, PDF, key=OPERATOR_KEY, code=["4711"], url=["https://example.com/t"], note=["by mail"]
    )
    document = answer.json()
    assert (answer.status_code, document["status"], document["ended_by"]) == (200, "fulfilled", "operator")
    assert [ticket["kind"] for ticket in document["tickets"]] == ["pdf", "pdf", "barcode", "link"]
    path = f"/v1/orders/ord-1/documents/{document['tickets'][0]['document']}"
    assert api.get(path, key=SHOP_KEY).content == content
    (entry,) = api.get("/v1/orders/ord-1/attempts").json()["items"]
    assert (entry["outcome"], entry["why"]) == ("completed", "an operator; 4 tickets; was pending; by mail")
    (event,) = api.get("/v1/events", key=SHOP_KEY).json()["items"]
    assert (event["type"], event["data"]["ended_by"]) == ("order.fulfilled", "operator")
    assert complete(api, content, key=SHOP_KEY).json() == document, "repeated"
    assert complete(api, key=SHOP_KEY).json() == document, "without a body"


def test_a_client_completes_its_own_orders_only(api: Running) -> None:
    problem(complete(api, PDF, key=RIVAL_KEY), 404, "not-found")
    assert complete(api, PDF, key=SHOP_KEY).json()["ended_by"] == "caller"


def test_what_cannot_complete_an_order_is_refused_with_reasons(api: Running) -> None:
    refused = problem(complete(api), 422, "rejected")
    assert refused["detail"] == "file: the order has no ticket yet; give at least one file, code or URL"
    refused = problem(complete(api, b"no ticket", name=["x"], url=["ftp://x"]), 422, "rejected")
    assert refused["errors"] == [{"field": "name", "message": "is not recognized"}]
    refused = problem(complete(api, b"no ticket"), 422, "rejected")
    assert refused["detail"].startswith("file: ticket-0.pdf is ")
    refused = problem(complete(api, file=["text"]), 422, "rejected")
    assert refused["errors"] == [{"field": "file", "message": "must be a file"}]
    problem(api.post("/v1/orders/ord-1/complete", {"code": ["1"]}), 415, "unsupported-media-type")
    broken = {"data": b"no form", "headers": {"Content-Type": "multipart/form-data"}}
    problem(api.call("POST", "/v1/orders/ord-1/complete", **broken), 422, "rejected")
    problem(complete(api, b"0" * (65 << 20)), 413, "too-large")
    assert api.get("/v1/orders/ord-1").json()["status"] == "pending"


def form(*fields: bytes, end: bytes = b"--b--\r\n") -> dict[str, Any]:
    parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="code"\r\n\r\n' + each + b"\r\n" for each in fields)
    return {"data": parts + end, "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (form(b"4711", end=b""), "Its end is missing"),
        (form(b"4711", b"4712", end=b"--b\r\n"), "Its end is missing"),
        (form(b"4711", end=b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%PDF-1'), "end"),
        (form(b"\xff\xfe"), "A field is not UTF-8"),
        (form(b""), "code.0: must not be empty"),
    ],
)
def test_a_form_that_is_cut_off_or_has_an_empty_code_completes_no_order(
    api: Running, sent: dict[str, Any], why: str
) -> None:
    assert why in problem(api.call("POST", "/v1/orders/ord-1/complete", **sent), 422, "rejected")["detail"]
    assert api.get("/v1/orders/ord-1").json()["status"] == "pending"


def test_a_whole_form_may_have_an_epilogue(api: Running) -> None:
    answer = api.call("POST", "/v1/orders/ord-1/complete", **form(b"4711", end=b"--b--\r\nepilogue"))
    assert answer.json()["status"] == "fulfilled"


@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "latin-1"])
def test_a_form_is_in_utf_8(api: Running, charset: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="\\ud800"\r\n\r\n1\r\n--x--\r\n'
    headers = {"Content-Type": f'multipart/form-data; boundary="x"; charset={charset}'}
    answer = api.call("POST", "/v1/orders/ord-1/complete", data=body, headers=headers)
    problem(answer, 415, "unsupported-media-type")


def test_an_order_is_amended(api: Running) -> None:
    fields = {"quantity": 2, "event_at": "2030-06-01T20:00:00Z"}
    answer = api.call("PATCH", "/v1/orders/ord-1", json=fields, key=SHOP_KEY)
    assert (answer.status_code, {name: answer.json()[name] for name in fields}) == (200, fields)
    for body in ({}, [], {"quantity": 0}, {"callback_url": "http://10.0.0.1/"}, {"id": "ord-2"}):
        problem(api.call("PATCH", "/v1/orders/ord-1", json=body, key=OPERATOR_KEY), 422, "rejected")
    problem(api.call("PATCH", "/v1/orders/ord-1", json=fields, key=RIVAL_KEY), 404, "not-found")
    entry = api.get("/v1/orders/ord-1/attempts").json()["items"][0]
    assert entry["why"] == "client shop; quantity 4 to 2, event_at unknown to 2030-06-01T20:00:00Z"


def test_operators_cancel_and_redeliver_too(api: Running) -> None:
    assert api.post("/v1/orders/ord-1/cancel", key=OPERATOR_KEY).json()["ended_by"] == "operator"
    problem(api.post("/v1/orders/ord-1/redeliver", key=OPERATOR_KEY), 409, "closed")
    api.submit("ord-2", not_before=LATER, callback_url="https://shop.example/hook")
    api.post("/v1/orders/ord-2/cancel")
    answer = api.post("/v1/redeliveries", {"undelivered": True}, key=OPERATOR_KEY)
    assert (answer.status_code, answer.json()) == (202, {"redelivered": 1, "skipped": 0, "next_cursor": None})
    for body in ({}, {"since": 5}, {"undelivered": True, "cursor": "x"}, {"since": "2026-01-01"}):
        problem(api.post("/v1/redeliveries", body), 422, "rejected")


def test_a_sweep_is_started_by_operators_alone(api: Running) -> None:
    answer = api.post("/v1/sweeps/polls", key=OPERATOR_KEY)
    assert (answer.status_code, answer.json()) == (202, {"name": "polls"})
    problem(api.post("/v1/sweeps/floors", key=OPERATOR_KEY), 404, "not-found")
    problem(api.post("/v1/sweeps/polls", key=KEY), 403, "forbidden")


def test_operators_name_the_client_that_gets_a_sample(api: Running) -> None:
    sample = {"status": "fulfilled", "client": "shop"}
    assert "no callback_url" in problem(api.post("/v1/trigger", sample, key=OPERATOR_KEY), 409, "closed")["detail"]
    unknown = problem(api.post("/v1/trigger", {**sample, "client": "nobody"}, key=OPERATOR_KEY), 422, "rejected")
    assert unknown["detail"] == "client: unknown client nobody"
    refused = problem(api.post("/v1/trigger", sample, key=KEY), 422, "rejected")
    assert refused["detail"] == "client: is decided by the key; leave it out"


def test_a_look_over_http_says_what_came_of_it(api: Running) -> None:
    """Nothing listens at the address of this account."""
    body = {"provider": "tiqets", "reference": "2"}
    answer = api.post("/v1/look", body, key=OPERATOR_KEY)
    assert (answer.status_code, answer.json()["outcome"], answer.json()["tickets"]) == (200, "unavailable", [])
    soon = api.post("/v1/look", body, key=OPERATOR_KEY)
    refused = problem(soon, 409, "closed")
    assert refused["detail"].startswith("no request about this reference is allowed before 20")
    assert int(soon.headers["Retry-After"]) > 0
    problem(api.post("/v1/look", {"provider": "tiqets"}), 422, "rejected")


def test_the_board_completes_and_amends(api: Running) -> None:
    operator = Operator(api)
    assert "Fulfil this order" in words(operator.get("/orders/ord-1/edit"))
    form = {"quantity": "2", "event_at": "2030-06-01T20:00:00Z", "callback_url": "", "back": "/"}
    amended = operator.post("/orders/ord-1/amend", **form)
    assert amended.headers["Location"] == "/orders/ord-1"
    assert "Order ord-1 is amended." in words(operator.get("/orders/ord-1"))
    refused = operator.post("/orders/ord-1/amend", **{**form, "quantity": "none"})
    assert refused.headers["Location"] == "/orders/ord-1/edit"
    assert "Quantity: " in words(operator.get("/orders/ord-1/edit"))
    sent = {"Sec-Fetch-Site": "same-origin", "Origin": operator.url}
    parts: list[Any] = [
        ("file", ("t.pdf", PDF)),
        ("file", ("", b"")),
        ("code", (None, "")),
        ("note", (None, "by mail")),
    ]
    for headers, status in (({"Sec-Fetch-Site": "cross-site"}, 403), (sent, 303)):
        answer = operator.session.post(
            f"{operator.url}/orders/ord-1/complete", files=parts, headers=headers, allow_redirects=False, timeout=60
        )
        assert answer.status_code == status
    shown = words(operator.get("/orders/ord-1"))
    assert "Order ord-1 is fulfilled with 1 ticket." in shown
    assert "completed board; 1 ticket; was pending; by mail" in shown


def test_the_board_has_the_other_operations(api: Running) -> None:
    operator = Operator(api)

    def said(path: str, **form: str) -> str:
        assert operator.post(path, **form).headers["Location"] == "/operations"
        return words(operator.get("/operations"))

    looked = said("/look", account="tiqets/default", reference="2", quantity="")
    assert "tiqets/default says: unavailable (no response; 0 tickets; connection refused)." in looked
    assert "Account: account tiqets/none is not configured" in said("/look", account="tiqets/none", reference="2")
    assert "0 events will be sent again." in said("/redeliveries", since="", undelivered="1")
    assert "Choose a time" in said("/redeliveries", since="")
    assert "No callback_url is given" in said("/trigger", status="fulfilled", callback_url="")
    assert "Callback_url: " in said("/trigger", status="fulfilled", callback_url="http://10.0.0.1/")
    assert "A worker will run the sweep polls." in said("/sweeps", name="polls")
    assert "There is no sweep floors" in said("/sweeps", name="floors")
    assert "board swept polls" in words(operator.get("/operations"))
