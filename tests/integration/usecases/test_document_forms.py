"""Files and addresses as servers have them: odd PDFs, other types, pages, redirects, cookies."""

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.integration.usecases.conftest import Setup, System
from tests.scripted_server import Serve, Server, saying, whole
from willcall.orders.model import Order, Status, Ticket, TicketKind
from willcall.orders.outcomes import Issued
from willcall.providers.base import Account
from willcall.providers.tiqets import ADAPTER
from willcall.simulator.documents import FORMS_WITHOUT_TICKET, FileForm, make_file, pdf
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth
from willcall.stores.bookings import Reservation
from willcall.stores.codec import tickets_text
from willcall.usecases import documents as module
from willcall.usecases.documents import fetch_documents
from willcall.usecases.tokens import NoToken
from willcall.views.overdue import OverdueKind, overdue_orders


def script(**document: Any) -> OrderScript:
    fields = {name: document.pop(name) for name in ("documents_after",) if name in document}
    return OrderScript.model_validate({"provider": "tiqets", "reference": "1111111", "document": document, **fields})


def fetch_again(h: System) -> Order:
    """Run the round that is to follow, as if its time had come."""
    h.redis.zadd(keys.FETCHES_DUE, {"ord-1": 1}, xx=True)
    fetch_documents(h.context, "ord-1")
    return h.order()


def reason(h: System) -> str | None:
    """Why documents are missing, as `willcall order` and the board show it."""
    (behind,) = overdue_orders(h.context.stores, OverdueKind.DOCUMENTS, 10, 0).orders
    return behind.fetching.why


@pytest.fixture
def list_url(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has Tiqets name an address of the test's own."""

    def name(url: str) -> None:
        ticket = Ticket(TicketKind.PDF, url=url)
        monkeypatch.setattr(type(ADAPTER), "read_status", lambda *_: Issued((ticket,)))

    return name


@pytest.mark.parametrize(
    ("form", "kind", "content_type", "doubt"),
    [
        ("padded_with_nulls", "pdf", "application/pdf", None),
        ("padded_with_spaces", "pdf", "application/pdf", None),
        ("padded_with_lines", "pdf", "application/pdf", None),
        ("with_comment_behind", "pdf", "application/pdf", "bytes after its end"),
        ("without_end", "pdf", "application/pdf", "no end"),
        ("clipped", "pdf", "application/pdf", "no end"),
        ("behind_boundary", "pdf", "application/pdf", "bytes before its beginning, bytes after its end"),
        ("behind_http_head", "pdf", "application/pdf", "bytes before its beginning"),
        ("behind_warning", "pdf", "application/pdf", "bytes before its beginning"),
        ("png", "image", "image/png", None),
        ("jpeg", "image", "image/jpeg", None),
        ("pkpass", "wallet", "application/vnd.apple.pkpass", None),
        ("zip", "archive", "application/zip", None),
    ],
)
def test_a_ticket_mislabelled_as_a_pdf_is_stored_with_its_real_type(
    make_system: Setup, form: FileForm, kind: str, content_type: str, doubt: str | None
) -> None:
    h = make_system()
    h.submit(script(form=form))
    order = h.poll()
    (ticket,) = order.tickets
    assert (order.status, order.attention) == (Status.FULFILLED, None)
    assert (ticket.kind.value, ticket.content_type) == (kind, content_type)
    assert ticket.extra.get("document_warning") == doubt
    name = (ticket.url or "").rpartition("/")[2].removesuffix(".pdf")
    assert h.context.documents.read(ticket.document or "") == make_file(form, name)
    (event,) = h.context.stores.events.list_after(None, 10)
    assert event.data["tickets"][0]["content_type"] == content_type


@pytest.mark.parametrize("form", sorted(FORMS_WITHOUT_TICKET))
def test_a_file_without_a_ticket_is_not_stored_and_the_reason_is_shown(make_system: Setup, form: FileForm) -> None:
    h = make_system()
    h.submit(script(form=form))
    order = h.poll()
    (ticket,) = order.tickets
    assert (order.status, ticket.document, ticket.content_type) == (Status.FULFILLED, None, None)
    fetch_again(h)
    assert (reason(h) or "").startswith("the file is ")
    assert h.redis.zscore(keys.FETCHES_DUE, "ord-1"), "it is fetched again"
    assert h.redis.exists(keys.documents("ord-1")) == 0


def test_a_ticket_keeps_the_reason_why_its_file_was_given_up(make_system: Setup) -> None:
    h = make_system()
    h.submit(script(form="html"))
    h.poll()
    fetch_again(h)
    h.redis.hset(keys.fetch("ord-1"), "since", 1)
    (ticket,) = fetch_again(h).tickets
    assert h.redis.zscore(keys.FETCHES_DUE, "ord-1") is None
    assert ticket.document is None
    assert ticket.url
    assert ticket.extra["document_error"] == "the file is an HTML page"


def test_an_order_with_a_given_up_file_is_listed_until_it_has_the_file(make_system: Setup) -> None:
    h = make_system()
    stores = h.context.stores
    h.submit(script(form="html"))
    h.poll()
    h.redis.hset(keys.fetch("ord-1"), "since", 1)
    fetch_again(h)
    run_sweep(h.context, "documents")
    (found,) = overdue_orders(stores, OverdueKind.DOCUMENTS, 10, 60).orders
    assert (found.order.id, found.given_up, found.fetching) == ("ord-1", "the file is an HTML page", None)
    assert stores.fetches.given_up().count == 1
    h.redis.set(keys.tickets("ord-1"), tickets_text(replace(found.order, tickets=())))
    run_sweep(h.context, "documents")
    assert overdue_orders(stores, OverdueKind.DOCUMENTS, 10, 60).orders == []


@pytest.mark.parametrize("document", [{"cookie": True}, {"redirects": 5}, {"redirects": 5, "cookie": True}])
def test_a_document_behind_redirects_and_a_cookie_is_fetched(make_system: Setup, document: dict[str, Any]) -> None:
    h = make_system()
    h.submit(script(**document))
    (ticket,) = h.poll().tickets
    assert h.context.documents.read(ticket.document or "").startswith(b"%PDF-")


def test_failed_redirects_are_reported_and_cause_a_poll(make_system: Setup, list_url: Any, serve: Serve) -> None:
    h = make_system()
    server = serve(saying(whole(b"", "302 Found", "Location: /")))
    list_url(server.url + "/")
    h.submit(script())
    h.poll()
    h.outbox.messages.clear()
    fetch_again(h)
    assert reason(h) == "redirect loop"
    assert [message.order_id for message in h.outbox.messages] == ["ord-1"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"unready": "404"}, "HTTP 404"),
        ({"unready": "202"}, "HTTP 202"),
        ({"unready": "page"}, "the file is an HTML page"),
    ],
)
def test_a_file_in_preparation_is_fetched_until_it_is_ready(
    make_system: Setup, document: dict[str, Any], why: str
) -> None:
    h = make_system()
    h.submit(script(documents_after=60, **document))
    assert h.poll().tickets[0].document is None
    assert fetch_again(h).tickets[0].document is None
    assert reason(h) == why
    h.let_time_pass_for_providers(61)
    (ticket,) = fetch_again(h).tickets
    assert ticket.document is not None
    assert "document_error" not in ticket.extra


@pytest.mark.parametrize("unready", ["404", "202", "page"])
def test_a_retry_after_of_the_file_server_postpones_fetch_and_poll(make_system: Setup, unready: str) -> None:
    h = make_system()
    h.submit(script(documents_after=60, unready=unready, retry_after=600))
    h.poll()
    (_, _, countdown) = h.outbox.tasks[0]
    assert countdown >= 600
    h.outbox.messages.clear()
    h.redis.zadd(keys.FETCHES_DUE, {"ord-1": 1}, xx=True)
    wait = fetch_documents(h.context, "ord-1")
    assert wait is not None
    assert wait >= 600
    assert h.outbox.messages == []


def test_a_redirect_with_a_retry_after_is_followed_after_it(make_system: Setup, list_url: Any, serve: Serve) -> None:
    h = make_system()
    last = serve(saying(whole(pdf("one"))))
    list_url(serve(saying(whole(b"", "302 Found", f"Location: {last.url}", "Retry-After: 600"))).url)
    h.submit(script())
    assert h.poll().tickets[0].document is None
    assert last.connections == 0
    (_, _, countdown) = h.outbox.tasks[0]
    assert countdown >= 600
    assert fetch_again(h).tickets[0].document is not None


@pytest.mark.parametrize("unready", ["202", "page"])
def test_a_file_in_preparation_does_not_block_others_of_its_host(
    make_system: Setup, serve: Serve, unready: str
) -> None:
    h = make_system()
    wait = whole(b"<p>wait", "202 Accepted" if unready == "202" else "200 OK", "Retry-After: 600")

    def odd(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            connection.sendall(wait if request.startswith(b"GET /wait") else whole(pdf("two")))

    server = serve(odd)
    tickets = [Ticket(TicketKind.PDF, url=f"{server.url}/{name}") for name in ("wait", "a", "b")]
    collected = module.download_missing(h.context, None, "ord-1", tickets, 60)
    assert (collected.found, collected.missing, collected.retry_after) == (2, 1, 600)


@pytest.mark.parametrize("status", ["200 OK", "203 Non-Authoritative Information"])
def test_a_file_with_another_2xx_status_is_stored(make_system: Setup, list_url: Any, serve: Serve, status: str) -> None:
    h = make_system()
    list_url(serve(saying(whole(pdf("one"), status))).url)
    h.submit(script())
    assert h.poll().tickets[0].document is not None


def test_a_206_is_not_stored(make_system: Setup, list_url: Any, serve: Serve) -> None:
    h = make_system()
    list_url(serve(saying(whole(pdf("one")[:300], "206 Partial Content", "Content-Range: bytes 0-299/600"))).url)
    h.submit(script())
    assert h.poll().tickets[0].document is None
    fetch_again(h)
    assert reason(h) == "HTTP 206"


def test_an_expired_signed_url_causes_a_poll_for_a_new_one(make_system: Setup, list_url: Any, serve: Serve) -> None:
    h = make_system()
    error = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'
    list_url(serve(saying(whole(error, "403 Forbidden", "Content-Type: application/xml"))).url)
    h.submit(script())
    h.poll()
    h.outbox.messages.clear()
    fetch_again(h)
    assert reason(h) == "HTTP 403"
    assert [message.order_id for message in h.outbox.messages] == ["ord-1"]


def test_an_image_that_is_listed_again_as_a_pdf_is_not_fetched_again(
    make_system: Setup, list_url: Any, serve: Serve
) -> None:
    h = make_system()
    server = serve(saying(whole(make_file("png", "one"))))
    list_url(server.url + "/a?signature=1")
    h.submit(script())
    first = h.poll().tickets
    order = h.order()
    listed = Issued((Ticket(TicketKind.PDF, url=server.url + "/a?signature=2"),))
    outcome, fetch_in = module.download_issued(h.context, h.context.accounts["tiqets/default"], order, "claim", listed)
    assert isinstance(outcome, Issued)
    (ticket,) = outcome.tickets
    assert (ticket.kind, ticket.document, ticket.content_type) == (TicketKind.IMAGE, first[0].document, "image/png")
    assert (len(server.requests), fetch_in) == (1, None)


# Redirects to and from the provider's own address

Own = tuple[System, Account, Server, list[str]]


@pytest.fixture
def own(make_system: Setup, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Own:
    """A provider of the test's own: `/api/...` redirects to `/api/file`. The list grows with each token taken."""
    h = make_system()
    taken: list[str] = []
    reserve = type(h.context.stores.accounts).reserve_token

    def counted(*arguments: Any, **options: Any) -> Any:
        reservation = reserve(*arguments, **options)
        if reservation.granted:
            taken.append("token")
        return reservation

    def redirecting(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            there = request.startswith(b"GET /api/file ")
            connection.sendall(whole(pdf("one")) if there else whole(b"", "302 Found", "Location: /api/file"))

    monkeypatch.setattr(type(h.context.stores.accounts), "reserve_token", counted)
    server = serve(redirecting)
    account = h.context.accounts["paylogic/default"]
    base = account.credentials.model_copy(update={"base_url": server.url + "/api"})
    return h, replace(account, credentials=base), server, taken


def test_each_request_to_the_provider_takes_a_token_redirects_too(own: Own, serve: Serve) -> None:
    h, account, server, taken = own
    elsewhere = serve(saying(whole(b"", "302 Found", f"Location: {server.url}/api/file")))
    for url, tokens in ((server.url + "/api/ticket", 2), (server.url + "/public", 1), (elsewhere.url, 1)):
        taken.clear()
        collected = module.download_missing(h.context, account, "ord-1", [Ticket(TicketKind.PDF, url=url)], 60)
        assert (collected.found, len(taken)) == (1, tokens)


def test_a_redirect_to_the_provider_waits_for_its_token(
    own: Own, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    h, account, server, _ = own
    elsewhere = serve(saying(whole(b"", "302 Found", f"Location: {server.url}/api/file")))
    none_left = Reservation(granted=False, now=0, at=60)
    monkeypatch.setattr(type(h.context.stores.accounts), "reserve_token", lambda *_, **__: none_left)
    collected = module.download_missing(h.context, account, "ord-1", [Ticket(TicketKind.PDF, url=elsewhere.url)], 60)
    assert (collected.found, collected.why, collected.no_token) == (0, "waits for a token", NoToken(60))
    assert server.requests == []


def test_a_429_of_the_server_behind_a_redirect_does_not_bind_the_account(own: Own, serve: Serve) -> None:
    h, account, _, _ = own
    busy = serve(saying(whole(b"", "429 Too Many Requests", "Retry-After: 600")))
    home = serve(saying(whole(b"", "302 Found", f"Location: {busy.url}")))
    base = account.credentials.model_copy(update={"base_url": home.url})
    tickets = [Ticket(TicketKind.PDF, url=home.url + "/eticket")]
    collected = module.download_missing(h.context, replace(account, credentials=base), "ord-1", tickets, 60)
    assert (collected.why, collected.retry_after) == ("HTTP 429", 600)
    assert h.context.stores.accounts.state(account.key, account.rate).health is AccountHealth.OK
