"""What both clients send, and what they make of responses that no Willcall sends."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from blocking_client import CLIENTS
from in_memory import Clock, Server

from examples import EVENT, ORDER
from willcall_client import ApiError, AsyncClient, Client, DecodeError, UnavailableError, __version__, calls, responses

Connect = Callable[..., Client]


class Interrupted(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off after its parts."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        raise httpx.ReadError("reset")

    async def __aiter__(self) -> Any:
        for part in self:
            yield part


def test_a_call_has_its_key_and_a_name(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(200, json={"items": []})]
    connect("https://user:password@willcall.test/prefix/", "key-1").accounts()
    (request,) = server.requests
    assert request.url.path == "/prefix/v1/accounts"
    assert request.headers["authorization"] == "Bearer key-1"
    assert request.headers["user-agent"] == f"willcall-client/{__version__}"


def test_without_a_key_none_is_sent(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(200, json={"items": []})]
    connect(key=None).accounts()
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("key", ["", "with space", "top-secret\n", "\u20ac"])
def test_a_key_that_no_header_can_carry_is_named_and_not_shown(client: Any, key: str) -> None:
    with pytest.raises(ValueError, match="the key has a space") as error:
        client("http://willcall.test", key)
    assert "top-secret" not in str(error.value)


@pytest.mark.parametrize("url", ["willcall.test", "ftp://willcall.test", "http://", "", "http://willcall.test:port"])
def test_an_address_that_cannot_work_is_named(connect: Connect, url: str) -> None:
    with pytest.raises((ValueError, httpx.InvalidURL)):
        connect(url)


def test_options_of_httpx_are_passed_on(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(200, json={"items": []})]
    connect(headers={"X-Tenant": "shop"}, verify=False).accounts()
    assert server.requests[0].headers["x-tenant"] == "shop"
    with pytest.raises(TypeError):
        connect(no_such_option=1)


def test_an_order_is_sent_as_json(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(201, json=ORDER)]
    moment = datetime(2026, 11, 22, 10, tzinfo=timezone.utc)
    client = connect()
    client.submit("tiqets", "1", id="ord-1", account=None, not_before=moment, metadata=MappingProxyType({"a": "b"}))
    assert json.loads(server.requests[0].content) == {
        "id": "ord-1",
        "provider": "tiqets",
        "reference": "1",
        "not_before": "2026-11-22T10:00:00+00:00",
        "metadata": {"a": "b"},
    }
    with pytest.raises(TypeError, match="cannot be sent as JSON: object"):
        client.submit("tiqets", "1", metadata=object())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must not be empty"):
        client.order("")


def test_filters_of_a_list_are_sent_with_each_page(connect: Connect, server: Server) -> None:
    server.answers = [
        httpx.Response(200, json={"items": [ORDER], "next_cursor": "0001:ord-1"}),
        httpx.Response(200, json={"items": [], "next_cursor": None}),
    ]
    before = datetime(2026, 12, 1, 20, tzinfo=timezone.utc)
    assert len(list(connect().orders(attention=True, event_before=before, updated_since=None, group="a & b"))) == 1
    filters = {"attention": "true", "event_before": "2026-12-01T20:00:00+00:00", "group": "a & b", "limit": "200"}
    sent = [dict(request.url.params) for request in server.requests]
    assert sent == [filters, {**filters, "cursor": "0001:ord-1"}]


def test_an_idempotency_key_takes_the_place_of_an_id(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(201, json=ORDER)]
    connect().submit("tiqets", "1", idempotency_key="cart-42", credentials={"cognito_token": "t"}, allow_duplicate=True)
    (request,) = server.requests
    assert request.headers["idempotency-key"] == "cart-42"
    assert json.loads(request.content) == {
        "provider": "tiqets",
        "reference": "1",
        "credentials": {"cognito_token": "t"},
        "allow_duplicate": True,
    }


def test_tickets_are_handed_in_as_a_form(connect: Connect, server: Server, tmp_path: Path) -> None:
    server.answers = [httpx.Response(200, json=ORDER)]
    (tmp_path / "tickets.pdf").write_bytes(b"%PDF-1")
    client = connect()
    client.complete("ord-1", files=[tmp_path / "tickets.pdf", b"%PDF-2"], codes=["12", "\u00e9"], note="by mail")
    client.complete("ord-1", urls=["https://tickets.test/1"])
    client.complete("ord-1")
    whole, texts, nothing = server.requests
    assert [request.url.path for request in server.requests] == ["/v1/orders/ord-1/complete"] * 3
    assert re.findall(
        rb'name="(\w+)"(?:; filename="([^"]+)")?\r\n(?:Content-Type: (\S+)\r\n)?\r\n([^\r]*)', whole.content
    ) == [
        (b"code", b"", b"", b"12"),
        (b"code", b"", b"", "\u00e9".encode()),
        (b"note", b"", b"", b"by mail"),
        (b"file", b"tickets.pdf", b"application/pdf", b"%PDF-1"),
        (b"file", b"file-2", b"application/octet-stream", b"%PDF-2"),
    ]
    assert texts.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"filename" not in texts.content
    assert nothing.content == b""


def test_an_amendment_removes_what_is_none_and_keeps_what_is_left_out(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(200, json=ORDER)]
    connect().amend("ord-1", event_at=datetime(2026, 12, 1, 20, tzinfo=timezone.utc), callback_url=None)
    (request,) = server.requests
    assert (request.method, request.url.path) == ("PATCH", "/v1/orders/ord-1")
    assert json.loads(request.content) == {"event_at": "2026-12-01T20:00:00+00:00", "callback_url": None}


def test_an_erased_order_has_no_content(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(204)]
    connect().erase("ord-1")
    assert (server.requests[0].method, server.requests[0].url.path) == ("DELETE", "/v1/orders/ord-1")


def test_redeliveries_continue_until_all_are_done(connect: Connect, server: Server) -> None:
    server.answers = [
        httpx.Response(202, json={"redelivered": 500, "skipped": 2, "next_cursor": "7"}),
        httpx.Response(202, json={"redelivered": 3, "skipped": 0, "next_cursor": None}),
    ]
    result = connect().redeliver_many(since="2026-12-01T00:00:00Z", undelivered=True)
    assert (result.redelivered, result.skipped, result.next_cursor) == (503, 2, None)
    first = {"since": "2026-12-01T00:00:00Z", "undelivered": True}
    assert [json.loads(request.content) for request in server.requests] == [first, {**first, "cursor": "7"}]


def test_orders_are_found_by_metadata(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(200, json={"items": [ORDER], "next_cursor": None})]
    found = connect().orders(text="cart", metadata={"cart": "42"}, host="shop.example")
    assert len(list(found)) == 1
    given = dict(server.requests[0].url.params)
    assert given == {"text": "cart", "metadata.cart": "42", "host": "shop.example", "limit": "200"}


def test_many_orders_are_acted_on_by_their_ids_or_by_filters(connect: Connect, server: Server) -> None:
    problem = {"type": "urn:willcall:problem:closed", "title": "closed", "status": 409, "detail": "is final"}
    closed = {"id": "ord-2", "status_code": 409, "error": problem}
    results = [{"id": "ord-1", "status_code": 200, "order": ORDER}, closed]
    server.answers = [httpx.Response(200, json={"results": results, "next_cursor": "7"}) for _ in range(2)]
    done = connect().bulk("cancel", ["ord-1", "ord-2"])
    assert [(result.id, result.status_code) for result in done.results] == [("ord-1", 200), ("ord-2", 409)]
    assert done.results[1].error is not None
    connect().bulk("poll", status="pending", metadata={"a": "b"}, limit=5, cursor=done.next_cursor)
    assert [json.loads(request.content) for request in server.requests] == [
        {"action": "cancel", "ids": ["ord-1", "ord-2"]},
        {"action": "poll", "filter": {"status": "pending", "metadata": {"a": "b"}}, "limit": 5, "cursor": "7"},
    ]


@pytest.mark.parametrize("tickets", [{"codes": "8712345678906"}, {"urls": "https://t.example/1"}, {"files": b"%PDF"}])
def test_one_text_is_not_taken_for_a_list_of_tickets(connect: Connect, server: Server, tickets: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="give a list"):
        connect().complete("ord-1", **tickets)
    assert server.requests == []


def test_a_look_and_a_sample_are_read(connect: Connect, server: Server) -> None:
    look = dict.fromkeys(
        ("http_status", "provider_status", "attention", "detail", "expected", "retry_at", "issuing_at")
    ) | {"provider": "tiqets", "account": "default", "outcome": "issued", "tickets": ORDER["tickets"]}
    server.answers = [httpx.Response(200, json=look)]
    assert connect().look("tiqets", "1", quantity=2).tickets[0].kind == "pdf"
    assert json.loads(server.requests[0].content) == {"provider": "tiqets", "reference": "1", "quantity": 2}
    sent = {
        "accepted": False,
        "event_id": "evt_1",
        "type": "order.failed",
        "host": "shop",
        "http_status": None,
        "why": "",
    }
    server.answers = [httpx.Response(200, json=sent)]
    assert not connect().trigger("failed").accepted
    assert json.loads(server.requests[1].content) == {"status": "failed"}


def test_batches_hold_a_thousand_orders_and_no_more_bytes_than_the_api_accepts(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(request: httpx.Request) -> httpx.Response:
        orders = json.loads(request.content)["orders"]
        return httpx.Response(200, json={"results": [{"id": each["id"], "status_code": 201} for each in orders]})

    server.answers = [accept]
    orders = ({"id": str(number), "provider": "tiqets", "reference": "1"} for number in range(2_001))
    assert [result.id for result in connect().submit_many(orders)] == [str(number) for number in range(2_001)]
    assert [len(json.loads(request.content)["orders"]) for request in server.requests] == [1_000, 1_000, 1]
    monkeypatch.setattr(calls, "BATCH_BYTES", 100)
    large = [{"provider": "tiqets", "reference": "1" * size} for size in (1, 200, 1)]
    assert len(list(connect().submit_many(large))) == 3
    assert len(server.requests) == 6
    assert list(connect().submit_many([])) == []


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (
            lambda _: httpx.Response(200, html="<html>secret</html>"),
            "unexpected response to GET /v1/orders/ord-1: .* not JSON",
        ),
        (lambda _: httpx.Response(200, content=b""), "not JSON"),
        (lambda _: httpx.Response(200, json=[ORDER]), "is a list, not an object"),
        (lambda _: httpx.Response(200, json={**ORDER, "attempts": "7"}), "attempts is text, not a whole number"),
        (
            lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"x" * 20)),
            "cannot be read",
        ),
    ],
)
def test_a_response_that_is_none_of_willcall_is_named(
    connect: Connect, server: Server, response: Callable[..., httpx.Response], message: str
) -> None:
    server.answers = [response]
    with pytest.raises(DecodeError, match=message) as error:
        connect().order("ord-1")
    assert "secret" not in str(error.value)


def test_a_redirect_is_an_error_that_says_so(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(301, headers={"Location": "https://willcall.test/"})]
    with pytest.raises(ApiError, match="HTTP 301: the address of Willcall redirects") as error:
        connect().accounts()
    assert error.value.problem.status == 301
    assert len(server.requests) == 1


def test_no_response_is_larger_than_its_limit(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "MAX_ERROR_BYTES", 10)
    server.answers = [httpx.Response(500, content=b"x" * 100)]
    with pytest.raises(ApiError, match="HTTP 500"):
        connect().order("ord-1")
    server.answers = [httpx.Response(200, content=b"x" * (calls.MAX_JSON_BYTES + 1))]
    with pytest.raises(DecodeError, match="is larger than 67,108,864 bytes"):
        connect().order("ord-1")


def test_a_response_that_never_ends_is_given_up(
    connect: Connect, server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                clock.sleep(20)
                yield b" "

        async def __aiter__(self) -> Any:
            for part in self:
                yield part

    monkeypatch.setattr(responses, "time", clock)
    server.answers = [lambda _: httpx.Response(200, stream=Slow())]
    with pytest.raises(UnavailableError, match="did not respond in time"):
        connect(timeout=30).order("ord-1")
    assert len(server.requests) == 1


@pytest.mark.parametrize("save", [False, True])
def test_a_download_continues_where_it_stopped(connect: Connect, server: Server, tmp_path: Path, *, save: bool) -> None:
    server.answers = [
        httpx.Response(200, stream=Interrupted(b"ab", b"c")),
        httpx.ConnectError("refused"),
        httpx.Response(200, stream=Interrupted(b"a")),
        httpx.Response(200, content=b"abcdef"),
    ]
    if save:
        connect().save_document("ord-1", "doc_1", tmp_path / "tickets.pdf")
        content = (tmp_path / "tickets.pdf").read_bytes()
    else:
        content = connect().document("ord-1", "doc_1")
    assert content == b"abcdef"
    assert len(server.requests) == 4


def test_a_document_that_changed_meanwhile_is_not_saved(connect: Connect, server: Server, tmp_path: Path) -> None:
    server.answers = [httpx.Response(200, stream=Interrupted(b"abcdef")), httpx.Response(200, content=b"abc")]
    with pytest.raises(DecodeError, match="is shorter than before"):
        connect().save_document("ord-1", "doc_1", tmp_path / "tickets.pdf")
    assert list(tmp_path.iterdir()) == []


def test_the_feed_is_followed_through_an_outage(
    connect: Connect, server: Server, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def page(*numbers: int) -> httpx.Response:
        items = [{**EVENT, "id": f"evt_{number}"} for number in numbers]
        return httpx.Response(200, json={"items": items, "next_cursor": f"{numbers[-1]}-0"})

    server.answers = [page(1), httpx.ConnectError("refused"), httpx.ConnectError("refused"), page(2), page(3)]
    feed = connect(patience=0).events(after="0-0")
    followed = feed.follow(interval=5)
    assert [next(followed).id for _ in range(3)] == ["evt_1", "evt_2", "evt_3"]
    assert feed.cursor == "2-0"
    assert [request.url.params["after"] for request in server.requests] == ["0-0", "1-0", "1-0", "1-0", "2-0"]
    assert clock.slept == [5, 5, 5, 5]
    assert [record.message.partition(":")[0] for record in caplog.records if record.name == "willcall_client"] == [
        "the event feed is unavailable",
        "the event feed is available again",
    ]


def test_a_followed_feed_has_the_server_wait_for_events(connect: Connect, server: Server, clock: Clock) -> None:
    timeouts = []

    def wait(request: httpx.Request) -> httpx.Response:
        timeouts.append(request.extensions["timeout"]["read"])
        clock.now += 30
        return httpx.Response(200, json={"items": [], "next_cursor": "1-0"})

    event = httpx.Response(200, json={"items": [EVENT], "next_cursor": "2-0"})
    server.answers = [wait, wait, event]
    next(connect(timeout=20).events(after="1-0").follow())
    assert [request.url.params["wait"] for request in server.requests] == ["30"] * 3
    assert timeouts == [50, 50]
    assert clock.slept == [0, 0]


def test_a_server_that_does_not_wait_is_asked_at_intervals(connect: Connect, server: Server, clock: Clock) -> None:
    problem = {"detail": "wait: is not recognized", "errors": [{"field": "wait", "message": "is not recognized"}]}
    empty = httpx.Response(200, json={"items": [], "next_cursor": "1-0"})
    event = httpx.Response(200, json={"items": [EVENT], "next_cursor": "2-0"})
    server.answers = [httpx.Response(422, json=problem), empty, event]
    next(connect().events(after="1-0").follow(interval=5))
    assert ["wait" in request.url.params for request in server.requests] == [True, False, False]
    assert clock.slept == [0, 5]


def test_a_followed_feed_ends_with_an_error_that_waiting_does_not_fix(connect: Connect, server: Server) -> None:
    server.answers = [httpx.Response(401, json={"detail": "the key is not valid"})]
    with pytest.raises(ApiError, match="the key is not valid"):
        next(connect().events().follow())


def test_an_api_that_is_not_ready_says_what_it_lacks(connect: Connect, server: Server) -> None:
    parts = {"redis": {"ok": False, "detail": "not responding"}, "broker": {"ok": True}}
    server.answers = [httpx.Response(503, json={"status": 503, "detail": "redis is unavailable", "parts": parts})]
    health = connect().health()
    assert (health.ready, health.parts["redis"].detail) == (False, "not responding")


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> "dict[str, Any]":
        public = {name: value for name, value in vars(client).items() if not name.startswith("_")}
        return {name: value.__code__.co_varnames[: value.__code__.co_argcount] for name, value in public.items()}

    assert methods(CLIENTS["sync"]) == methods(AsyncClient)
