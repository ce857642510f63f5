"""Documents are fetched with the answer that names them, and later where that could not be."""

import socket
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.full_disk import full_disk
from tests.integration.usecases.conftest import Setup, System
from tests.scripted_server import Serve, Server, saying, whole
from tests.waiting import STALL, Clock
from willcall.http.address_guard import AddressGuard
from willcall.http.messages import Request, Response
from willcall.http.outbound import OutboundClient
from willcall.orders.model import Order, Status, Ticket, TicketKind
from willcall.orders.outcomes import Issued, Outcome, PartlyIssued
from willcall.providers.base import Account
from willcall.providers.tiqets import ADAPTER
from willcall.simulator.documents import pdf
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth
from willcall.stores.bookings import BookingKind, Reservation
from willcall.stores.document_fetches import FetchProgress
from willcall.stores.documents import MAX_BYTES, DocumentStore
from willcall.stores.file_storage import StorageError
from willcall.stores.pending import PendingSummary
from willcall.usecases import documents as module
from willcall.usecases.documents import TASK, fetch_documents
from willcall.usecases.orders import cancel_order
from willcall.usecases.poll_once import poll_once
from willcall.usecases.tokens import NoToken
from willcall.views.overdue import OverdueKind, overdue_orders

if TYPE_CHECKING:
    from redis import Redis

PDF = pdf("one")


def script(provider: str = "tiqets", reference: str = "1111111", **fields: Any) -> OrderScript:
    return OrderScript.model_validate({"provider": provider, "reference": reference, **fields})


def documents_of(order: Order) -> list[str | None]:
    return [ticket.document for ticket in order.tickets if ticket.kind in {TicketKind.PDF, TicketKind.BARCODE}]


def filed(h: System, order_id: str = "ord-1") -> float | None:
    """When the order's documents are fetched next, by the index (epoch seconds)."""
    assert sorted(h.redis.zrange(keys.FETCHES_DUE, 0, -1)) == sorted(h.redis.zrange(keys.FETCHES_PENDING, 0, -1))
    due = h.redis.zscore(keys.FETCHES_DUE, order_id)
    return None if due is None else due / 1_000


def now(h: System) -> float:
    return h.context.stores.accounts.now()


def due_now(h: System, order_id: str = "ord-1") -> None:
    h.redis.zadd(keys.FETCHES_DUE, {order_id: 1}, xx=True)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcome], None]:
    """Has Tiqets' adapter read any answer as an outcome, so that tickets point where a test wants."""

    def read(outcome: Outcome) -> None:
        monkeypatch.setattr(type(ADAPTER), "read_status", lambda *_: outcome)

    return read


def tickets(*urls: str, **fields: Any) -> Issued:
    return Issued(tuple(Ticket(TicketKind.PDF, url=url, seat=str(n), **fields) for n, url in enumerate(urls)))


Answers = Callable[[Outcome], None]


def in_turn(*parts: bytes) -> Callable[[Server, socket.socket], None]:
    """A script that says one after the other, and the last for ever."""
    left = list(parts)

    def script(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return script


@pytest.mark.parametrize(
    ("provider", "reference", "fields"),
    [
        ("tiqets", "1111111", {}),
        ("funtrips", "chk_1", {"link_life": 5}),
        ("tixstock", "tix-1", {}),
        ("paylogic", "a7c60001", {}),
    ],
)
def test_documents_are_in_the_event(make_system: Setup, provider: str, reference: str, fields: dict[str, Any]) -> None:
    h = make_system()
    h.submit(script(provider, reference, quantity=2, **fields))
    order = h.poll()
    assert order.status is Status.FULFILLED
    ids = documents_of(order)
    assert ids
    for document_id in ids:
        assert document_id is not None
        assert h.context.documents.read(document_id).startswith((b"%PDF-", b"PK"))
        document = h.context.documents.get(document_id)
        assert document is not None
        assert document.owner == "ord-1"
    (event,) = h.context.stores.events.list_after(None, 10)
    stored = [ticket["document"] for ticket in event.data["tickets"]]
    assert {document for document in stored if document} >= set(ids)
    assert (filed(h), h.outbox.tasks) == (None, [])


def test_urls_that_are_not_files_are_not_fetched(make_system: Setup, answers: Answers, serve: Serve) -> None:
    h = make_system()
    server = serve(saying(whole(PDF)))
    kinds = (TicketKind.LINK, TicketKind.WALLET, TicketKind.PAGE, TicketKind.SHIPMENT)
    answers(Issued((*(Ticket(kind, url=server.url) for kind in kinds), Ticket(TicketKind.BARCODE, code="1"))))
    h.submit(script())
    assert h.poll().status is Status.FULFILLED
    assert server.connections == 0
    assert filed(h) is None


def test_missing_documents_do_not_delay_fulfilment_and_are_an_update_later(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system()
    server = serve(in_turn(whole(b"", "404 Not Found"), whole(PDF)))
    answers(tickets(server.url))
    h.submit(script())
    before = now(h)
    order = h.poll()
    assert (order.status, documents_of(order)) == (Status.FULFILLED, [None])
    assert order.tickets[0].url == server.url
    assert h.outbox.tasks == [(TASK, ["ord-1"], 5.0)]
    assert before + 5 <= (filed(h) or 0) <= now(h) + 5
    h.redis.zadd(keys.FETCHES_DUE, {"ord-1": (now(h) + 3_600) * 1_000})
    assert fetch_documents(h.context, "ord-1") is None
    assert len(server.requests) == 1  # it was not due yet
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    (document_id,) = documents_of(h.order())
    assert h.context.documents.read(document_id or "") == PDF
    assert h.events() == ["order.fulfilled", "order.updated"]
    assert filed(h) is None
    assert h.redis.exists(keys.fetch("ord-1")) == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (whole(b"", "404 Not Found"), "HTTP 404"),
        (whole(b"<p>a page that says expired"), "the file is an HTML page"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n", f"response larger than {MAX_BYTES} bytes"),
        (whole(PDF.replace(b"%%EOF", b" " * 3_000_000 + b"%%EOF")), "cannot be stored: file too large"),
    ],
    ids=["status", "content", "size", "room"],
)
def test_the_reason_for_missing_documents_is_stored_with_the_order(
    make_system: Setup, answers: Answers, serve: Serve, answer: bytes, why: str
) -> None:
    h = make_system()
    answers(tickets(serve(in_turn(whole(b"", "503 Service Unavailable"), answer)).url + "/1.pdf?signature=sesame"))
    h.submit(script())
    assert h.context.stores.fetches.progress(["ord-1"]) == [None]
    h.poll()
    (fetching,) = h.context.stores.fetches.progress(["ord-1"])
    assert fetching == FetchProgress(0, None, filed(h) or 0)
    due_now(h)
    with full_disk(room=2_000_000):
        fetch_documents(h.context, "ord-1")
    (behind,) = overdue_orders(h.context.stores, OverdueKind.DOCUMENTS, 10, 0).orders
    assert behind.fetching == FetchProgress(1, why, filed(h) or 0)


def test_a_document_in_a_private_network_is_reported_with_the_setting_to_allow_it(
    make_system: Setup, answers: Answers
) -> None:
    h = make_system()
    answers(tickets("http://127.0.0.1:9/1.pdf?signature=sesame"))
    h.submit(script())
    h.context = replace(h.context, outbound=OutboundClient(AddressGuard()))
    h.poll()
    due_now(h)
    fetch_documents(h.context, "ord-1")
    (fetching,) = h.context.stores.fetches.progress(["ord-1"])
    assert fetching is not None
    assert fetching.why == "the address is not public, and not in `outbound.allow`"


def test_waits_between_fetches_grow_and_end_within_days(make_system: Setup, answers: Answers) -> None:
    h = make_system()
    answers(tickets("http://127.0.0.1:9/gone.pdf"))
    h.submit(script())
    h.poll()
    waits = []
    for _ in range(8):
        due_now(h)
        waits.append(fetch_documents(h.context, "ord-1") or 0)
    for wait, expected in zip(waits, [20, 80, 320, 1_280, 5_120, 20_480, 21_600, 21_600], strict=True):
        assert expected <= wait <= expected * 1.1
    since = int(h.redis.hget(keys.fetch("ord-1"), "since") or 0)
    h.redis.hset(keys.fetch("ord-1"), "since", since - 3 * 86_400_000 + 1_000)
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert (filed(h), h.redis.exists(keys.fetch("ord-1"))) == (None, 0)
    assert h.order().tickets[0].url == "http://127.0.0.1:9/gone.pdf"


def test_a_document_is_not_fetched_before_its_retry_after(make_system: Setup, answers: Answers, serve: Serve) -> None:
    h = make_system()
    server = serve(saying(whole(b"", "503 Service Unavailable", "Retry-After: 100")))
    answers(tickets(server.url + "/a", server.url + "/b"))
    h.submit(script())
    before = now(h)
    h.poll()
    assert len(server.requests) == 1  # the other one would meet the same
    assert h.outbox.tasks == [(TASK, ["ord-1"], 100.0)]
    assert before + 100 <= (filed(h) or 0) <= now(h) + 100
    due_now(h)
    before = now(h)
    wait = fetch_documents(h.context, "ord-1")
    assert wait is not None
    assert wait >= 100
    assert before <= (filed(h) or 0) - wait + 0.001 <= now(h) + 0.002, "in whole milliseconds"


@pytest.mark.parametrize(
    ("hint", "wait"),
    [
        ("86400", 86_400.0),
        ("86401", 3_600.0),
        ("31536000", 3_600.0),
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:37 GMT", 120.0),
        ("5\r\nRetry-After: 120", 120.0),
    ],
)
def test_a_retry_after_of_a_document_is_bounded(
    make_system: Setup, answers: Answers, serve: Serve, hint: str, wait: float
) -> None:
    h = make_system()
    lines = hint if hint.startswith("Date") else f"Retry-After: {hint}"
    server = serve(saying(whole(b"", "503 Service Unavailable", *lines.split("\r\n"))))
    answers(tickets(server.url + "/a"))
    h.submit(script())
    h.poll()
    assert h.outbox.tasks == [(TASK, ["ord-1"], wait)]


def test_a_retry_after_in_epoch_seconds_is_a_point_in_time(make_system: Setup, answers: Answers, serve: Serve) -> None:
    h = make_system()
    server = serve(saying(whole(b"", "503 Service Unavailable", f"Retry-After: {now(h) + 600:.0f}")))
    answers(tickets(server.url + "/a"))
    h.submit(script())
    h.poll()
    ((_, _, countdown),) = h.outbox.tasks
    assert 0 < countdown < 700


def test_a_postponed_document_is_not_fetched_by_the_next_attempt(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system()
    busy = serve(saying(whole(b"", "503 Service Unavailable", "Retry-After: 100")))
    good = serve(saying(whole(PDF)))
    one, two = (Ticket(TicketKind.PDF, url=server.url, seat=str(server.port)) for server in (busy, good))
    answers(PartlyIssued((one,), 2))
    h.submit(script())
    h.poll()
    due = filed(h)
    answers(Issued((one, two)))
    h.redis.delete(keys.tokens("tiqets/default"))
    first, second = documents_of(h.poll())
    assert (first, second is not None) == (None, True)
    assert len(busy.requests) == 1
    assert filed(h) == due


def test_a_failing_document_does_not_block_others_of_its_host(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    def odd(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            if request.startswith(b"GET /bad"):
                return
            connection.sendall(whole(pdf(request[5:6].decode())))

    h = make_system()
    server = serve(odd)
    answers(tickets(*(f"{server.url}/{name}" for name in ("bad", "2", "3", "4"))))
    h.submit(script())
    h.poll()
    rounds = 0
    while None in documents_of(h.order())[1:]:
        rounds += 1
        assert rounds < 20
        due_now(h)
        fetch_documents(h.context, "ord-1")
    assert documents_of(h.order())[0] is None


def test_an_invalid_url_does_not_block_other_documents(make_system: Setup, answers: Answers, serve: Serve) -> None:
    h = make_system()
    good = serve(saying(whole(PDF)))
    bad = serve(saying(whole(b"<p>expired</p>")))
    urls = ["http://10.255.255.1/x", "http://127.0.0.1:9/y", bad.url, good.url, "ftp://x/y", "http://[/z"]
    answers(tickets(*urls))
    h.submit(script())
    order = h.poll()
    assert [document is not None for document in documents_of(order)] == [False, False, False, True, False, False]
    assert [ticket.url for ticket in order.tickets] == urls
    assert h.outbox.tasks == [(TASK, ["ord-1"], 5.0)]


def test_the_same_url_is_fetched_once(make_system: Setup, answers: Answers, serve: Serve) -> None:
    h = make_system()
    server = serve(saying(whole(PDF)))
    answers(tickets(server.url + "/all.pdf", server.url + "/all.pdf", server.url + "/same-content.pdf"))
    h.submit(script())
    ids = documents_of(h.poll())
    assert len(server.requests) == 2
    assert len(set(ids)) == 1
    assert ids[0] is not None


def test_later_polls_do_not_fetch_stored_documents_again(make_system: Setup, answers: Answers, serve: Serve) -> None:
    h = make_system()
    server = serve(saying(whole(PDF)))
    signed = f"{server.url}/a.pdf?signature="
    answers(PartlyIssued((Ticket(TicketKind.PDF, url=signed + "1", seat="1"),), 2))
    h.submit(script())
    first = documents_of(h.poll())
    one, two = Ticket(TicketKind.PDF, url=signed + "2", seat="1"), Ticket(TicketKind.PDF, url=server.url, seat="2")
    answers(Issued((one, two)))
    h.redis.delete(keys.tokens("tiqets/default"))
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert documents_of(order)[:1] == first
    assert order.tickets[0].url == signed + "2"
    assert len(server.requests) == 2


def test_a_url_that_no_longer_works_causes_a_poll_for_a_new_one(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system()
    expired, good = serve(saying(whole(b"", "403 Forbidden"))), serve(saying(whole(PDF)))
    answers(tickets(expired.url))
    h.submit(script())
    h.poll()
    h.outbox.messages.clear()
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is not None
    assert [message.order_id for message in h.outbox.messages] == ["ord-1"]
    answers(tickets(good.url))
    h.redis.delete(keys.tokens("tiqets/default"))
    order = h.poll()
    assert documents_of(order) != [None]
    assert (order.status, h.events()) == (Status.FULFILLED, ["order.fulfilled", "order.updated"])
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert filed(h) is None


# Who gets our credentials


def test_only_documents_of_the_provider_get_credentials_and_take_a_token(
    make_system: Setup, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    own, other = serve(saying(whole(PDF))), serve(saying(whole(PDF)))
    account = h.context.accounts["paylogic/default"]
    credentials = account.credentials.model_copy(update={"base_url": own.url + "/api"})
    mine = type(account)(account.provider, "default", account.adapter, credentials, account.rate, account.polling)
    urls = [own.url + "/api/eticket", own.url + "/apiary", other.url + "/eticket"]
    found = module.download_missing(h.context, mine, "ord-1", tickets(*urls).tickets, 5)
    assert found.missing == 0
    first, second = own.requests
    assert b"Authorization: Basic " in first
    assert b"Authorization" not in second + other.requests[0]
    monkeypatch.setattr(
        h.context.stores.accounts.__class__, "reserve_token", lambda *_, **__: Reservation(granted=False, now=0, at=60)
    )
    starved = module.download_missing(h.context, mine, "ord-1", tickets(*urls).tickets, 5)
    assert (starved.found, starved.why, starved.no_token) == (1, "waits for a token", NoToken(60))
    assert len(own.requests) == 2


def test_a_redirect_out_of_the_providers_path_gets_no_credentials(make_system: Setup, serve: Serve) -> None:
    h = make_system()

    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            own = request.startswith(b"GET /api/eticket ")
            connection.sendall(whole(b"", "302 Found", "Location: ../other/eticket") if own else whole(PDF))

    own = serve(script)
    account = h.context.accounts["paylogic/default"]
    mine = replace(account, credentials=account.credentials.model_copy(update={"base_url": own.url + "/api"}))
    urls = [own.url + "/api/eticket", own.url + "/api/%2e%2e/eticket"]
    assert module.download_missing(h.context, mine, "ord-1", tickets(*urls).tickets, 5).missing == 0
    authorized = {request.split()[1]: b"Authorization: Basic " in request for request in own.requests}
    # A percent-encoded parent is no path of the provider's API, so its first request has no credentials either.
    assert authorized == {b"/api/eticket": True, b"/other/eticket": False, b"/api/%2E%2E/eticket": False}


def at_own_address(h: System, url: str) -> Account:
    """Tiqets' account, as if its documents' server were the provider's own."""
    account = h.context.accounts["tiqets/default"]
    mine = replace(account, credentials=account.credentials.model_copy(update={"base_url": url}))
    h.context = replace(h.context, accounts={**h.context.accounts, mine.key: mine})
    return mine


@pytest.mark.parametrize("burst", [1, 2])
def test_a_small_burst_does_not_delay_the_response_for_the_providers_document(
    make_system: Setup, serve: Serve, burst: int
) -> None:
    h = make_system(rate={"limit": 5, "period": 1, "burst": burst})
    own = serve(saying(whole(PDF)))
    mine = at_own_address(h, own.url)
    for _ in range(burst):
        h.context.stores.accounts.reserve_token(mine.key, mine.rate, BookingKind.LIST, "the status request")
    lacking = tickets(own.url + "/1", own.url + "/2").tickets
    assert module.download_missing(h.context, mine, "ord-1", lacking, 5).missing == 0


def test_a_document_of_the_provider_waits_for_its_slot_and_is_not_given_up(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system(rate={"limit": 1, "period": 3_600, "burst": 1})
    own = serve(saying(whole(PDF)))
    mine = at_own_address(h, own.url)
    h.context = replace(h.context, http=Answering())
    answers(tickets(own.url + "/eticket"))
    h.submit(script())
    assert documents_of(h.poll()) == [None]
    [(_, _, wait)] = h.outbox.tasks
    assert wait == pytest.approx(3_600, abs=STALL + 40)
    due_now(h)
    h.redis.hset(keys.fetch("ord-1"), "since", 1_000)
    again = fetch_documents(h.context, "ord-1")
    assert again == pytest.approx(wait, abs=STALL)
    assert own.requests == []
    h.redis.delete(keys.tokens(mine.key), keys.bookings(mine.key))
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert documents_of(h.order()) != [None]


class Answering:
    """A provider whose answers an adapter's `read_status` makes up."""

    def exchange(self, account: Account, request: Request) -> Response:  # noqa: ARG002 - the port's shape
        return Response(200, {}, b"{}", 0.0)


def test_a_429_for_a_document_of_the_provider_binds_the_account(make_system: Setup, serve: Serve) -> None:
    h = make_system()
    own = serve(saying(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"))
    account = h.context.accounts["paylogic/default"]
    for base_url, health in (("https://paylogic.example", AccountHealth.OK), (own.url, AccountHealth.THROTTLED)):
        mine = replace(account, credentials=account.credentials.model_copy(update={"base_url": base_url}))
        module.download_missing(h.context, mine, "ord-1", tickets(own.url + "/eticket").tickets, 5)
        assert h.context.stores.accounts.state(account.key, account.rate).health is health


def test_a_429_of_a_year_binds_the_account_for_an_hour(make_system: Setup, serve: Serve) -> None:
    h = make_system()
    own = serve(saying(whole(b"", "429 Too Many Requests", "Retry-After: 31536000")))
    account = h.context.accounts["paylogic/default"]
    mine = replace(account, credentials=account.credentials.model_copy(update={"base_url": own.url}))
    before = now(h)
    collected = module.download_missing(h.context, mine, "ord-1", tickets(own.url + "/eticket").tickets, 5)
    state = h.context.stores.accounts.state(account.key, account.rate)
    assert state.until is not None
    assert before + 3_600 - 0.002 <= state.until <= now(h) + 3_600
    assert collected.no_token is not None
    assert collected.no_token.wait == pytest.approx(3_600, abs=STALL)


def test_loopback_is_rejected_unless_it_is_allowed(make_system: Setup) -> None:
    h = make_system()
    h.submit(script())
    h.context = replace(h.context, outbound=OutboundClient(AddressGuard()))
    order = h.poll()
    assert (order.status, documents_of(order)) == (Status.FULFILLED, [None])


# Storage, time, races, crashes


def test_an_unreachable_document_store_delays_only_documents(
    make_system: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    h.submit(script())

    def fail(*_: object) -> None:
        raise StorageError("OSError")

    with monkeypatch.context() as patch:
        patch.setattr(DocumentStore, "put", fail)
        order = h.poll()
        assert (order.status, documents_of(order)) == (Status.FULFILLED, [None])
        due_now(h)
        assert fetch_documents(h.context, "ord-1") is not None
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert documents_of(h.order()) != [None]


def test_an_attempt_with_slow_documents_is_bounded_and_keeps_its_order(
    make_system: Setup, answers: Answers, serve: Serve, clock: Clock
) -> None:
    h = make_system()
    leases: list[float] = []

    def slow(server: Server, connection: socket.socket) -> None:
        server.hear(connection)
        leases.append(int(h.redis.hget(keys.order("ord-1"), "lease") or 0) / 1_000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n%PDF-1.4")
        while not server.stopped.wait(0.02):
            clock.now += 1
            connection.sendall(b"x")

    server = serve(slow)
    answers(tickets(server.url + "/a", server.url + "/b"))
    h.submit(script())
    before = now(h)
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert len(leases) == 1
    assert leases[0] >= before + module.IN_ATTEMPT + 4


def test_a_large_document_passes_through_without_being_held_in_memory(make_system: Setup, serve: Serve) -> None:
    h = make_system()
    large = PDF[:-7].ljust(19_000_000, b"x") + PDF[-7:]
    server = serve(saying(whole(large)))
    found = tickets(server.url).tickets
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    collected = module.download_missing(h.context, None, "ord-1", found, 15)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert collected.missing == 0
    assert peak < 1_500_000


def test_an_attempt_that_lost_its_claim_fetches_nothing(
    make_system: Setup, answers: Answers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    server = serve(saying(whole(PDF)))
    h.submit(script())
    exchange = h.context.http.exchange

    def cancel_first(*arguments: Any) -> Any:
        cancel_order(h.context, "ord-1", ANNA)
        return exchange(*arguments)

    answers(tickets(server.url))
    monkeypatch.setattr(h.context.http, "exchange", cancel_first)
    assert h.poll().status is Status.CANCELLED
    assert server.connections == 0
    assert filed(h) is None


def test_a_cancelled_order_is_not_fetched_for(make_system: Setup) -> None:
    h = make_system()
    h.submit(script(documents_after=60))
    h.poll()
    assert filed(h) is not None
    h.redis.hset(keys.order("ord-1"), "status", "cancelled")
    due_now(h)
    assert fetch_documents(h.context, "ord-1") is None
    assert (filed(h), h.redis.exists(keys.fetch("ord-1"))) == (None, 0)


def test_tickets_that_change_during_a_round_are_checked_again(
    make_system: Setup, answers: Answers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    server = serve(saying(whole(PDF)))
    answers(tickets("http://127.0.0.1:9/"))
    h.submit(script())
    h.poll()
    due_now(h)
    download = module.download_missing

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(module, "download_missing", download)
        changed = h.redis.get(keys.tickets("ord-1")) or ""
        h.redis.set(keys.tickets("ord-1"), changed.replace("http://127.0.0.1:9/", server.url))
        return download(*arguments, **options)

    monkeypatch.setattr(module, "download_missing", meanwhile)
    assert fetch_documents(h.context, "ord-1") == 0.0
    assert h.order().tickets[0].url == server.url
    assert fetch_documents(h.context, "ord-1") is None
    assert documents_of(h.order()) != [None]


def test_two_simultaneous_rounds_fetch_once(
    make_system: Setup, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    answers(tickets("http://127.0.0.1:9/"))
    h.submit(script())
    h.poll()
    due_now(h)
    download, inner = module.download_missing, []

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        inner.append(fetch_documents(h.context, "ord-1"))
        return download(*arguments, **options)

    monkeypatch.setattr(module, "download_missing", meanwhile)
    assert fetch_documents(h.context, "ord-1") is not None
    assert inner == [None]
    assert h.redis.hget(keys.fetch("ord-1"), "tries") == "1"


def test_a_worker_killed_before_the_commit_causes_no_second_file(
    make_system: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = make_system()
    h.submit(script())

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    order = h.order()
    with monkeypatch.context() as patch:
        patch.setattr("willcall.usecases.poll_once.settle_attempt", die)
        with pytest.raises(KeyboardInterrupt):
            poll_once(h.context, "ord-1", order.seq, order.account_key)
    stored = list((tmp_path / "documents").rglob("*.pdf"))
    assert len(stored) == 1
    h.redis.hset(keys.order("ord-1"), "lease", 1)
    order = h.poll()
    assert documents_of(order) == [stored[0].stem]
    assert list((tmp_path / "documents").rglob("*.pdf")) == stored


def test_the_sweep_sends_lost_fetches_again(make_system: Setup, answers: Answers) -> None:
    h = make_system()
    answers(tickets("http://127.0.0.1:9/"))
    h.submit(script())
    h.poll()
    h.outbox.tasks.clear()
    assert run_sweep(h.context, "documents") == {"resent": 0}
    due_now(h)
    assert run_sweep(h.context, "documents") == {"resent": 1}
    assert h.outbox.tasks == [(TASK, ["ord-1"], 0.0)]
    assert run_sweep(h.context, "documents") == {"resent": 0}
    fetch_documents(h.context, "ord-1")
    due_now(h)
    assert run_sweep(h.context, "documents") == {"resent": 1}


def test_pruning_an_order_removes_its_files(make_system: Setup, tmp_path: Path, redis: "Redis") -> None:
    h = make_system()
    h.submit(script("tixstock", "tix-1", quantity=3))
    order = h.poll()
    ids = [document for document in documents_of(order) if document]
    assert len(ids) == 3
    h.redis.zadd(keys.FINAL, {"ord-1": 1})
    assert run_sweep(h.context, "prune") == {"orders": 1, "events": 0, "documents": 3}
    assert list(tmp_path.rglob("*.pdf")) == []
    assert [h.context.documents.get(document) for document in ids] == [None] * 3
    left = set(redis.keys("*")) - {keys.EVENTS, keys.ACCOUNTS, keys.SUBMISSIONS}
    assert not any("doc" in key or "ord-1" in key for key in left)


def test_orders_missing_documents_for_longest_are_listed_first(
    make_system: Setup,
) -> None:
    h = make_system()
    fetches = h.context.stores.fetches
    assert fetches.pending() == PendingSummary(0)
    h.redis.zadd(
        keys.FETCHES_DUE, {f"ord-{number}": number for number in range(5_000)} | {"late": 9_000, "later": 10_000}
    )
    h.redis.zadd(
        keys.FETCHES_PENDING,
        {f"ord-{number}": 5_000 + number for number in range(5_000)} | {"late": 3_000, "later": 2_000},
    )
    assert fetches.oldest(3) == [("later", 2.0), ("late", 3.0), ("ord-0", 5.0)]
    assert fetches.pending() == PendingSummary(5_002, 2.0, "later")


def test_the_time_since_when_documents_are_missing_is_kept_until_none_are(
    make_system: Setup, answers: Answers, serve: Serve
) -> None:
    h = make_system()
    server = serve(in_turn(*[whole(b"", "404 Not Found")] * 3, whole(PDF)))
    answers(tickets(server.url))
    h.submit(script())
    h.poll()
    fetches = h.context.stores.fetches
    since = fetches.pending()
    assert since == PendingSummary(1, filed(h), "ord-1")
    for _ in range(2):
        due_now(h)
        assert fetch_documents(h.context, "ord-1") is not None
        assert fetches.pending() == since
    due_now(h)
    fetch_documents(h.context, "ord-1")
    assert fetches.pending() == PendingSummary(0)
