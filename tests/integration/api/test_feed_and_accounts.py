"""Events, accounts, documents, metrics; ids and logs of requests."""

import re
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.api.conftest import Running, problem, running
from tests.waiting import STALL
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.orders.decision import AccountSignal
from willcall.simulator.documents import FileForm, make_file
from willcall.stores import keys
from willcall.stores.accounts import AccountReport
from willcall.stores.connection import connect
from willcall.stores.documents import Document, DocumentStore
from willcall.stores.operator_events import OperatorAlert, account_subject
from willcall.stores.registry import Stores

if TYPE_CHECKING:
    from redis import Redis

PDF = b"%PDF-1.4\n" + b"%" * 600_000 + b"\n%%EOF\n"


def test_every_page_of_the_feed_has_a_cursor_for_the_next(api: Running) -> None:
    empty = api.get("/v1/events").json()
    assert empty["items"] == []
    for number in range(3):
        api.submit(f"ord-{number}")
        api.post(f"/v1/orders/ord-{number}/cancel")
    first = api.get("/v1/events", params={"after": empty["next_cursor"], "limit": 2}).json()
    rest = api.get("/v1/events", params={"after": first["next_cursor"]}).json()
    end = api.get("/v1/events", params={"after": rest["next_cursor"]}).json()
    assert [event["order_id"] for event in first["items"] + rest["items"]] == ["ord-0", "ord-1", "ord-2"]
    assert end == {"items": [], "next_cursor": rest["next_cursor"]}
    event = first["items"][0]
    assert list(event) == ["id", "type", "order_id", "occurred_at", "data"]
    assert (event["type"], event["data"]["reason"]) == ("order.cancelled", "by the caller")
    assert event["data"] == api.get("/v1/orders/ord-0").json()


@pytest.mark.parametrize("after", ["yesterday", "1", "-", "1-1-1", "99999999999999999999-0", "٣-٣", ""])
def test_an_invalid_cursor_is_rejected(api: Running, after: str) -> None:
    assert problem(api.get("/v1/events", params={"after": after}), 422, "rejected")["errors"][0]["field"] == "after"


def test_accounts_are_shown_paused_and_resumed(api: Running) -> None:
    shown = {account["account"]: account for account in api.get("/v1/accounts").json()["items"]}
    assert (shown.keys(), shown["tiqets/default"]["health"]) == ({"tiqets/default", "tixstock/default"}, "ok")
    paused = api.post("/v1/accounts/tiqets/default/pause", {"seconds": 60}).json()
    assert (paused["health"], paused["until"][:2]) == ("paused", "20")
    assert api.post("/v1/accounts/tiqets/default/pause").json()["until"] is None
    assert api.post("/v1/accounts/tiqets/default/pause", {"seconds": 60}).json()["until"] is None
    assert api.post("/v1/accounts/tiqets/default/resume").json() == {"resumed": True, "until": None}
    assert api.get("/v1/accounts").json()["items"][0]["health"] == "ok"
    problem(api.post("/v1/accounts/tiqets/other/pause"), 404, "not-found")
    for seconds in (0, 1e300, "60"):
        problem(api.post("/v1/accounts/tiqets/default/pause", {"seconds": seconds}), 422, "rejected")


def test_resume_keeps_a_retry_after_unless_it_is_overridden(api: Running, stores: Stores) -> None:
    throttle(stores, stores.accounts.now() + 3_600)
    path = "/v1/accounts/tiqets/default/resume"
    plain = api.post(path).json()
    assert plain["resumed"] is False
    assert datetime.fromisoformat(plain["until"]).timestamp() == pytest.approx(stores.accounts.now() + 3_600, abs=STALL)
    assert api.post(path, {"now": False}).json() == plain
    for wrong in ({"now": "yes"}, {"now": 1}, {"later": True}, [], {"now": None}):
        problem(api.post(path, wrong), 422, "rejected")
    assert api.post(path, {"now": True}).json() == {"resumed": True, "until": None}
    assert api.get("/v1/accounts").json()["items"][0]["health"] == "ok"


def test_an_order_is_polled_before_a_hint_only_with_an_override(api: Running, redis: "Redis") -> None:
    api.submit("ord-1")
    hint = int((time.time() + 3_600) * 1_000)
    redis.hset(keys.order("ord-1"), mapping={"hint": hint, "due": hint})
    plain = api.post("/v1/orders/ord-1/poll")
    assert plain.status_code == 202
    assert datetime.fromisoformat(plain.json()["next_poll_at"]).timestamp() == pytest.approx(hint / 1_000, abs=1)
    problem(api.post("/v1/orders/ord-1/poll", {"now": "yes"}), 422, "rejected")
    overriding = api.post("/v1/orders/ord-1/poll", {"now": True})
    assert overriding.status_code == 202
    assert datetime.fromisoformat(overriding.json()["next_poll_at"]).timestamp() < time.time() + STALL


def throttle(stores: Stores, until: float) -> None:
    """Have the provider answer 429 with a Retry-After."""
    report = AccountReport(AccountSignal.THROTTLED, "x", probe=False, until=until, why="429")
    alert = OperatorAlert("evt-1", account_subject("tiqets/default"), send=False)
    stores.accounts.report_health("tiqets/default", "tiqets/default", report, (30, 600), alert)


@pytest.fixture
def document(api: Running, redis_server: EmbeddedRedis) -> Document:
    api.submit("ord-1")
    api.submit("ord-2")
    return DocumentStore(connect(redis_server.url), f"file://{api.folder}/documents").put(PDF, "ord-1")


def test_a_document_is_served_below_its_order(api: Running, document: Document) -> None:
    answer = api.get(f"/v1/orders/ord-1/documents/{document.id}")
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Length"] == str(len(PDF))
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{document.id}.pdf"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["ETag"] == f'"{document.sha256}"'
    known = api.get(f"/v1/orders/ord-1/documents/{document.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    ("form", "content_type", "extension"),
    [
        ("behind_warning", "application/pdf", "pdf"),
        ("png", "image/png", "png"),
        ("jpeg", "image/jpeg", "jpg"),
        ("pkpass", "application/vnd.apple.pkpass", "pkpass"),
        ("zip", "application/zip", "zip"),
    ],
)
def test_a_document_is_served_as_a_download_with_its_own_type(
    api: Running, redis_server: EmbeddedRedis, form: FileForm, content_type: str, extension: str
) -> None:
    api.submit("ord-1")
    content = make_file(form, "a1")
    document = DocumentStore(connect(redis_server.url), f"file://{api.folder}/documents").put(content, "ord-1")
    answer = api.get(f"/v1/orders/ord-1/documents/{document.id}")
    assert (answer.content, answer.headers["Content-Type"]) == (content, content_type)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{document.id}.{extension}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_document_is_not_served_for_another_order(api: Running, document: Document) -> None:
    problem(api.get(f"/v1/orders/ord-2/documents/{document.id}"), 404, "not-found")
    problem(api.get("/v1/orders/ord-1/documents/doc_0"), 404, "not-found")
    problem(api.get(f"/v1/orders/nobody/documents/{document.id}"), 404, "not-found")
    problem(api.get(f"/v1/orders/ord-1/documents/{document.id}", key=None), 401, "unauthorized")


def test_documents_in_an_unreachable_store_are_to_be_requested_later(api: Running, document: Document) -> None:
    for file in (api.folder / "documents").rglob(f"{document.id}.pdf"):
        file.unlink()
    answer = api.get(f"/v1/orders/ord-1/documents/{document.id}")
    problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"].isdecimal()


def test_metrics_count_orders_and_events_by_account(api: Running) -> None:
    for number in range(3):
        api.submit(f"ord-{number}", not_before="2099-01-01T00:00:00Z")
    api.post("/v1/orders/ord-0/cancel")
    shown = api.get("/metrics").text
    for line in (
        'willcall_orders{account="default",provider="tiqets",status="pending"} 2.0',
        'willcall_orders{account="default",provider="tiqets",status="cancelled"} 1.0',
        'willcall_orders_waiting{account="default",provider="tiqets"} 2.0',
        'willcall_orders_overdue{account="default",provider="tiqets"} 0.0',
        "willcall_events 1.0",
    ):
        assert line in shown
    assert "process_resident_memory_bytes" in shown


def test_a_request_keeps_a_valid_id_and_otherwise_gets_a_new_one(api: Running) -> None:
    assert api.get("/healthz", headers={"X-Request-Id": "cart-42/1"}).headers["X-Request-Id"] == "cart-42/1"
    for odd in ("a b", "x" * 101, '"}'):
        assert re.fullmatch("[0-9a-f]{32}", api.get("/healthz", headers={"X-Request-Id": odd}).headers["X-Request-Id"])


def test_the_log_has_one_line_per_request_and_no_secrets(api: Running) -> None:
    api.submit("ord-1", reference="secret-reference", metadata={"name": "secret-name"})
    api.get("/v1/orders/ord-1?token=secret-token", headers={"X-Request-Id": "find-me"})
    api.get("/webhooks/tiqets/default/secret-token")
    [line] = [line for line in api.log.splitlines() if "find-me" in line]
    assert '"method": "GET", "route": "/v1/orders/{order_id}", "status": 422, "ms": ' in line
    assert not [word for word in ("secret", "sesame", "1111111", "ord-1?") if word in api.log]


def test_the_api_description_and_its_page_load_nothing_from_other_hosts(api: Running) -> None:
    assert api.get("/openapi.json", key=None).json()["openapi"].startswith("3.1")
    page = api.get("/docs", key=None).text
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("/docs/assets/")
        assert api.get(address, key=None).status_code == 200


def test_head_has_the_response_of_get_without_a_body(api: Running, document: Document) -> None:
    paths = ["/healthz", "/readyz", "/metrics", "/v1/orders", "/v1/orders/ord-1", "/docs", "/openapi.json"]
    paths += [f"/v1/orders/ord-1/documents/{document.id}", "/v1/orders/nobody", "/nowhere"]
    for path in paths:
        shown, head = api.get(path), api.call("HEAD", path)
        assert (head.status_code, head.content) == (shown.status_code, b""), path
        for name in ("Content-Type", "ETag"):
            assert head.headers.get(name) == shown.headers.get(name), path
        if path != "/metrics" and "nobody" not in path and path != "/nowhere":
            assert head.headers["Content-Length"] == shown.headers["Content-Length"], path
    tag = {"If-None-Match": f'"{document.sha256}"'}
    assert api.call("HEAD", f"/v1/orders/ord-1/documents/{document.id}", headers=tag).status_code == 304
    problem(api.get("/v1/orders", key=None), 401, "unauthorized")
    assert api.call("HEAD", "/v1/orders", key=None).status_code == 401
    assert api.call("HEAD", "/v1/orders/ord-1/cancel").headers["Allow"] == "POST"
    assert api.call("DELETE", "/healthz").headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "address",
    [
        "/webhooks/tiqets/default/{}/",
        "/webhooks/tiqets/default/{}//",
        "//webhooks/tiqets/default/{}",
        "/webhooks//tiqets/default//{}",
        "/webhooks/tiqets/default/{}%2F",
    ],
)
def test_a_webhook_url_with_extra_slashes_is_accepted(
    redis_server: EmbeddedRedis, tmp_path: Path, address: str
) -> None:
    token = {"WILLCALL_PROVIDERS__TIQETS__DEFAULT__WEBHOOK_TOKEN": "wht-tiqets-0123456789"}
    with running(tmp_path, redis_server.url, environment=token) as api:
        port = int(api.url.rpartition(":")[2])
        for known, status in (("wht-tiqets-0123456789", b"200"), ("another", b"404")):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                path = address.format(known)
                sent = f"POST {path} HTTP/1.1\r\nHost: willcall\r\nContent-Length: 2\r\n\r\n{{}}"
                connection.sendall(sent.encode())
                assert connection.recv(1_000)[9:12] == status
        assert "wht-tiqets-0123456789" not in api.log
