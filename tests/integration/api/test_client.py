"""Both Python clients against a running API."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from blocking_client import CLIENTS

from tests.integration.api.conftest import KEY, Running
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.connection import connect
from willcall.stores.documents import DocumentStore
from willcall_client import (
    AuthenticationError,
    Client,
    ConflictError,
    NotFoundError,
    RejectedError,
    ResumeResult,
    calls,
)

LATER = datetime(2099, 1, 1, tzinfo=UTC)

ClientFactory = Callable[[str, str], Client]


@pytest.fixture(params=CLIENTS)
def new_client(request: pytest.FixtureRequest) -> Iterator[ClientFactory]:
    """Opens clients of one kind, which the end of the test closes."""
    with ExitStack() as opened:
        yield lambda url, key: opened.enter_context(CLIENTS[request.param](url, key, patience=0))


@pytest.fixture
def client(api: Running, new_client: ClientFactory) -> Client:
    return new_client(api.url, KEY)


def test_an_order_is_submitted_read_polled_and_cancelled(client: Client) -> None:
    order = client.submit("tiqets", "1111111", id="ord-1", quantity=2, not_before=LATER)
    assert (order.id, order.status, order.not_before, order.final) == ("ord-1", "pending", LATER, False)
    assert client.submit("tiqets", "1111111", id="ord-1", quantity=2, not_before=LATER) == order
    assert client.order("ord-1") == order
    assert client.poll("ord-1").next_poll_at == LATER
    assert [attempt.outcome for attempt in client.attempts("ord-1")] == ["poll_requested"]
    assert client.cancel("ord-1").final
    with pytest.raises(ConflictError):
        client.redeliver("ord-1")
    with pytest.raises(ConflictError):
        client.poll("ord-1", now=True)
    assert "1111111" not in repr(order)


def test_a_rejection_is_an_error_with_its_problem(client: Client, new_client: ClientFactory, api: Running) -> None:
    client.submit("tiqets", "1", id="ord-1")
    with pytest.raises(ConflictError, match="already exists with different content"):
        client.submit("tiqets", "2", id="ord-1")
    with pytest.raises(RejectedError) as rejected:
        client.submit("tiqets", "1", quantity=0, language="?")
    assert {each.field for each in rejected.value.problem.errors or ()} == {"quantity", "language"}
    assert rejected.value.problem.request_id
    with pytest.raises(NotFoundError):
        client.order("nosuch")
    for odd in ("no/such", "..", "a?b#c", "%2e%2e", "\u20ac"):
        with pytest.raises((NotFoundError, RejectedError)):
            client.order(odd)
    with pytest.raises(NotFoundError):
        client.pause("tiqets", "other")
    with pytest.raises(AuthenticationError):
        new_client(api.url, "wrong").order("ord-1")


def test_many_orders_are_submitted_over_several_calls(client: Client) -> None:
    common = {"provider": "tiqets", "not_before": LATER}
    payloads = [{"id": f"ord-{number}", "reference": str(number), **common} for number in range(1_200)]
    results = list(client.submit_many([*payloads, {"provider": "nobody", "reference": "1"}]))
    assert [result.status_code for result in results] == [*[201] * 1_200, 422]
    assert results[1_199].order
    assert results[1_199].order.id == "ord-1199"
    assert results[1_200].error
    assert "unknown provider nobody" in results[1_200].error.detail
    listed = [order.id for order in client.orders(status="pending", provider="tiqets")]
    assert listed == [f"ord-{number}" for number in reversed(range(1_200))]
    assert list(client.orders(attention=True)) == []


def test_the_feed_continues_at_its_cursor(client: Client) -> None:
    feed = client.events(page=2)
    assert list(feed) == []
    for number in range(5):
        client.submit("tiqets", "1", id=f"ord-{number}")
        client.cancel(f"ord-{number}")
    seen = [(event.type, event.data.id) for event in feed]
    assert seen == [("order.cancelled", f"ord-{number}") for number in range(5)]
    assert list(feed) == []
    assert list(client.events(after=feed.cursor)) == []


def test_the_cursor_moves_only_after_its_page_was_returned(client: Client) -> None:
    for number in range(4):
        client.submit("tiqets", "1", id=f"ord-{number}")
        client.cancel(f"ord-{number}")
    feed = client.events(page=2)
    handed = iter(feed)
    first = [next(handed), next(handed)]
    assert feed.cursor is None
    next(handed)
    assert next(iter(client.events(after=feed.cursor))).order_id == "ord-2"
    assert [event.order_id for event in first] == ["ord-0", "ord-1"]


def test_a_followed_feed_waits_for_the_next_event(client: Client) -> None:
    followed = client.events().follow(interval=0.01)
    for number in range(2):
        client.submit("tiqets", "1", id=f"ord-{number}")
        client.cancel(f"ord-{number}")
        assert next(followed).order_id == f"ord-{number}"


def test_accounts_are_paused_and_resumed(client: Client) -> None:
    assert [account.account for account in client.accounts()] == ["tiqets/default", "tixstock/default"]
    assert client.pause("tiqets", seconds=60).until
    assert client.pause("tiqets").until is None
    assert client.resume("tiqets") == ResumeResult(resumed=True, until=None)
    assert client.resume("tiqets", now=True).resumed


def test_the_api_says_whether_it_is_ready(client: Client) -> None:
    health = client.health()
    assert health.ready
    assert all(part.ok for part in health.parts.values())


def test_a_document_is_downloaded_completely(
    client: Client, api: Running, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    client.submit("tiqets", "1", id="ord-1")
    content = b"%PDF-1.4\n%%EOF\n"
    document = DocumentStore(connect(redis_server.url), f"file://{api.folder}/documents").put(content, "ord-1")
    assert client.document("ord-1", document.id) == content
    assert b"".join(client.stream_document("ord-1", document.id)) == content
    client.save_document("ord-1", document.id, tmp_path / "tickets.pdf")
    assert (tmp_path / "tickets.pdf").read_bytes() == content
    with pytest.raises(NotFoundError):
        client.save_document("ord-1", "doc_0", tmp_path / "other.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["tickets.pdf"]


def test_an_order_is_amended_and_completed_by_hand(client: Client, tmp_path: Path) -> None:
    client.submit("tiqets", "1", id="ord-1", quantity=2, event_at=LATER, callback_url="https://8.8.8.8/")
    amended = client.amend("ord-1", quantity=1, event_at=None)
    assert (amended.quantity, amended.event_at, amended.callback_url) == (1, None, "https://8.8.8.8/")
    (tmp_path / "ticket.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    done = client.complete("ord-1", files=[tmp_path / "ticket.pdf"], codes=["123"], note="by mail")
    assert (done.status, [ticket.kind for ticket in done.tickets]) == ("fulfilled", ["pdf", "barcode"])
    assert client.document("ord-1", done.tickets[0].document or "") == b"%PDF-1.4\n%%EOF\n"
    with pytest.raises(RejectedError, match="quantity"):
        client.amend("ord-1", quantity=0)


def test_an_order_is_submitted_once_per_idempotency_key_and_erased(client: Client) -> None:
    order = client.submit("tiqets", "1", idempotency_key="cart-42", metadata={"name": "Zo\u00eb"})
    assert client.submit("tiqets", "1", idempotency_key="cart-42", metadata={"name": "Zo\u00eb"}).id == order.id
    with pytest.raises(ConflictError):
        client.submit("tiqets", "2", idempotency_key="cart-42")
    with pytest.raises(ConflictError):
        client.submit("tiqets", "1", id="cart-43")
    assert client.submit("tiqets", "1", id="cart-43", allow_duplicate=True).status == "pending"
    with pytest.raises(ConflictError):
        client.erase(order.id)
    client.cancel(order.id)
    client.erase(order.id)
    erased = client.order(order.id)
    assert (erased.status, erased.metadata, bool(erased.erased_at)) == ("cancelled", {}, True)


def test_orders_are_found_and_acted_on_together(client: Client) -> None:
    for number in range(3):
        client.submit("tiqets", f"{number}", id=f"ord-{number}", metadata={"n": str(number)}, not_before=LATER)
    assert [order.id for order in client.orders(metadata={"n": "1"}, text="ORD")] == ["ord-1"]
    first = client.bulk("cancel", text="ord", limit=2)
    assert [(result.id, result.status_code) for result in first.results] == [("ord-2", 200), ("ord-1", 200)]
    rest = client.bulk("cancel", text="ord", limit=2, cursor=first.next_cursor)
    assert ([result.id for result in rest.results], rest.next_cursor) == (["ord-0"], None)
    (refused,) = client.bulk("poll", ["ord-0"]).results
    assert refused.error is not None
    assert (refused.status_code, refused.order) == (409, None)
    with pytest.raises(RejectedError, match="one of ids and filter"):
        client.bulk("poll")


def test_events_are_redelivered_and_samples_sent(client: Client) -> None:
    client.submit("tiqets", "1", id="ord-1", callback_url="https://8.8.8.8/")
    client.cancel("ord-1")
    again = client.redeliver_many(undelivered=True)
    assert (again.redelivered, again.skipped, again.next_cursor) == (1, 0, None)
    with pytest.raises(RejectedError, match="one of since and undelivered"):
        client.redeliver_many()
    with pytest.raises(RejectedError, match="callback_url"):
        client.trigger("fulfilled", callback_url="http://127.0.0.1:9/")


def test_the_client_has_every_call_that_is_for_backends(api: Running) -> None:
    """What it lacks is for operators, providers and monitoring."""
    others = ("/webhooks/", "/v1/dead-letters", "/v1/reload", "/v1/sweeps", "/v1/history", "/healthz", "/metrics")
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "x", path))
        for path, methods in api.get("/openapi.json").json()["paths"].items()
        for method in methods
        if not path.startswith(others)
    }
    known = [
        *(calls.submit("x", "x", {}), *calls.submit_batches([{}]), calls.order("x"), calls.orders({}, None)),
        *(calls.attempts("x"), calls.poll("x", now=True), calls.cancel("x"), calls.redeliver("x")),
        *(calls.document("x", "x"), calls.events(None, 1), calls.accounts(), calls.readiness()),
        *(calls.pause("x", "x", None), calls.resume("x", "x", now=True)),
        *(calls.complete("x", [], {}), calls.amend("x", {}), calls.erase("x"), calls.look("x", "x", {})),
        *(calls.redeliveries(None, undelivered=True, cursor=None), calls.trigger("failed", None)),
        *(calls.checkout({}), calls.bulk("poll", ["x"], {}, None, None)),
    ]
    assert {(call.method, call.path) for call in known} == described
