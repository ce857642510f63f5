"""Orders that somebody completes by hand."""

import io
from dataclasses import replace

import pytest

from tests.actors import ANNA, SHOP
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.errors import ClosedOrderError, RejectedOrderError, UnknownOrderError
from willcall.orders.history import Actor
from willcall.orders.model import EndedBy, Status, Ticket, TicketKind
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.commits import Commit
from willcall.usecases.commit import write_commit
from willcall.usecases.complete import NewTickets, UploadedFile, complete_order
from willcall.usecases.erase import erase_order
from willcall.usecases.orders import cancel_order, request_poll
from willcall.usecases.submit import submit

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def waiting(**fields: object) -> OrderScript:
    """An order without tickets for long."""
    return OrderScript(**{"provider": "tiqets", "reference": "1111111", "quantity": 2, "ready_after": 600, **fields})


def files(*contents: bytes) -> NewTickets:
    return NewTickets([UploadedFile(f"{n}.pdf", io.BytesIO(content)) for n, content in enumerate(contents)])


def lines(h: System) -> list[tuple[str, str]]:
    return [(entry.outcome, entry.why) for entry in h.context.stores.orders.timeline("ord-1")]


def test_an_order_is_fulfilled_with_files_that_came_by_mail(make_system: Setup) -> None:
    h = make_system()
    h.submit(waiting())
    h.poll()
    new = NewTickets([UploadedFile("tickets.pdf", io.BytesIO(PDF))], ["4711"], ["https://example.com/t"], "by mail")
    assert complete_order(h.context, "ord-1", new, ANNA)
    order = h.order()
    assert (order.status, order.ended_by, order.next_poll_at) == (Status.FULFILLED, EndedBy.OPERATOR, None)
    assert [ticket.kind for ticket in order.tickets] == [TicketKind.PDF, TicketKind.BARCODE, TicketKind.LINK]
    assert order.tickets[0].content_type == "application/pdf"
    assert h.context.documents.read(order.tickets[0].document or "") == PDF
    assert h.events() == ["order.fulfilled"]
    assert lines(h)[-1] == ("completed", "operator anna; 3 tickets; was pending; by mail")
    assert not h.redis.zscore(keys.due("tiqets/default"), "ord-1")


def test_an_order_that_is_erased_meanwhile_is_closed(make_system: Setup) -> None:
    h = make_system()
    h.submit(waiting())
    cancel_order(h.context, "ord-1", ANNA)

    class Erasing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            erase_order(h.context, "ord-1", ANNA)
            return super().read(size)

    with pytest.raises(ClosedOrderError, match="was erased"):
        complete_order(h.context, "ord-1", NewTickets([UploadedFile("1.pdf", Erasing(PDF))]), ANNA)


def test_repeating_it_changes_nothing(make_system: Setup) -> None:
    h = make_system()
    h.submit(waiting())
    assert complete_order(h.context, "ord-1", files(PDF), SHOP)
    before = h.order()
    assert not complete_order(h.context, "ord-1", files(PDF), ANNA)
    assert not complete_order(h.context, "ord-1", NewTickets(), ANNA)
    assert (h.order(), h.order().ended_by) == (before, EndedBy.CALLER)
    assert (len(lines(h)), h.events()) == (1, ["order.fulfilled"])


def test_an_order_gets_a_limited_number_of_tickets_by_hand(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    h = make_system()
    h.submit(waiting())
    monkeypatch.setattr("willcall.usecases.complete.MOST_ADDED", 3)
    complete_order(h.context, "ord-1", NewTickets(codes=["1", "2"]), SHOP)
    with pytest.raises(RejectedOrderError, match="an order can get at most 3 tickets by hand"):
        complete_order(h.context, "ord-1", NewTickets(codes=["3", "4"]), SHOP)
    assert complete_order(h.context, "ord-1", NewTickets(codes=["2", "3"]), SHOP)
    assert not complete_order(h.context, "ord-1", NewTickets(codes=["1"]), SHOP)
    assert [ticket.code for ticket in h.order().tickets] == ["1", "2", "3"]


def test_without_files_it_takes_the_tickets_that_are_here(make_system: Setup) -> None:
    """One PDF for four people: the provider's count never completes such an order."""
    h = make_system()
    h.submit(waiting())
    with pytest.raises(RejectedOrderError, match="the order has no ticket yet"):
        complete_order(h.context, "ord-1", NewTickets(), ANNA)
    complete_order(h.context, "ord-1", files(PDF), ANNA)
    h.redis.hset(keys.order("ord-1"), mapping={"status": "partial", "seq": 7})  # as a provider counted it
    assert complete_order(h.context, "ord-1", NewTickets(), ANNA)
    assert (h.order().status, len(h.order().tickets)) == (Status.FULFILLED, 1)


@pytest.mark.parametrize("status", ["cancelled", "failed", "expired"])
def test_a_final_order_is_completed_too(make_system: Setup, status: str) -> None:
    h = make_system()
    h.submit(waiting())
    cancel_order(h.context, "ord-1", ANNA)
    h.redis.hset(keys.order("ord-1"), mapping={"status": status, "reason": "for this test"})
    assert complete_order(h.context, "ord-1", files(PDF), ANNA)
    assert (h.order().status, h.order().reason) == (Status.FULFILLED, None)
    assert lines(h)[-1] == ("completed", f"operator anna; 1 ticket; was {status}")
    assert h.context.stores.listing.counts("tiqets/default")[Status.FULFILLED] == 1


def test_an_answer_under_way_and_later_ones_do_not_undo_it(make_system: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    h = make_system()
    h.submit(waiting(ready_after=0, cancel_after=0))
    exchange = h.context.http.exchange

    def complete_first(*arguments: object) -> object:
        complete_order(h.context, "ord-1", files(PDF), ANNA)
        return exchange(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(h.context.http, "exchange", complete_first)
    assert h.poll().status is Status.FULFILLED
    monkeypatch.setattr(h.context.http, "exchange", exchange)
    request_poll(h.context, "ord-1", ANNA)
    order = h.poll()
    assert (order.status, order.ended_by, len(order.tickets)) == (Status.FULFILLED, EndedBy.OPERATOR, 1)
    assert lines(h)[-1] == ("cancelled", "the provider says cancelled, yet fulfilled stays")
    assert h.events() == ["order.fulfilled"]


def test_what_is_no_ticket_is_refused_and_nothing_changes(make_system: Setup) -> None:
    h = make_system()
    h.submit(waiting())
    for new, message in [
        (files(b"<html>log in</html>"), "file: 0.pdf is "),
        (files(b"%PDF-1.4\n1 0 obj\n" + b"0" * (20 << 20)), "file: 0.pdf is larger than"),
        (files(*[PDF] * 51), "file: must have at most 50 files"),
        (NewTickets(urls=["file:///etc/passwd"]), "url.0: must be an http"),
        (NewTickets(codes=["47\x0011"]), "code.0: must not contain control characters"),
        (NewTickets(codes=["4711"], note="x" * 501), "note: "),
    ]:
        with pytest.raises(RejectedOrderError, match=message):
            complete_order(h.context, "ord-1", new, ANNA)
    with pytest.raises(UnknownOrderError):
        complete_order(h.context, "ord-2", files(PDF), ANNA)
    assert (h.order().status, lines(h)) == (Status.PENDING, [])


def test_a_ticket_of_another_order_of_the_user_is_refused(make_system: Setup) -> None:
    h = make_system()
    for order_id in ("ord-1", "ord-2"):
        submit(
            h.context, {"id": order_id, "provider": "paylogic", "account": "user", "reference": "mine", "quantity": 2}
        )
    new = NewTickets(codes=["4711"])
    complete_order(h.context, "ord-1", new, ANNA)
    with pytest.raises(ClosedOrderError, match="another order of account paylogic/user has one of these tickets"):
        complete_order(h.context, "ord-2", new, Actor("board: anna"))


def test_the_tickets_of_a_cancelled_order_are_its_own_again_and_their_files_are_fetched(make_system: Setup) -> None:
    h = make_system()
    mine = {"provider": "paylogic", "account": "user", "reference": "mine", "quantity": 2}
    submit(h.context, {"id": "ord-1", **mine})
    order = h.order()
    pdf = Ticket(TicketKind.PDF, url="https://tickets.example/1.pdf", code="4711")
    write_commit(h.context, Commit(order, replace(order, tickets=(pdf,)), keep_schedule=True, tickets=True))
    cancel_order(h.context, "ord-1", ANNA)
    assert h.context.stores.fetches.claim("ord-1", "f", 60) is None
    complete_order(h.context, "ord-1", NewTickets(), ANNA)
    assert h.redis.zscore(keys.FETCHES_DUE, "ord-1")
    assert h.redis.smembers(keys.owned_tickets("ord-1"))
