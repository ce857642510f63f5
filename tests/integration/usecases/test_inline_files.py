"""Files that an answer holds itself are stored, and never written anywhere else."""

from collections.abc import Callable

import pytest

from tests.integration.usecases.conftest import Setup, System
from willcall.orders.model import Attention, Status, Ticket, TicketKind
from willcall.orders.outcomes import Issued, Outcome, PartlyIssued
from willcall.orders.ticket_documents import inline_file, with_inline_file
from willcall.providers.tiqets import ADAPTER
from willcall.simulator.documents import FileForm, make_file
from willcall.simulator.script import OrderScript
from willcall.stores import documents as module
from willcall.stores import keys
from willcall.stores.documents import DocumentStore
from willcall.stores.file_storage import StorageError

Answers = Callable[[Outcome], None]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Has Tiqets' adapter read any answer as an outcome."""

    def read(outcome: Outcome) -> None:
        monkeypatch.setattr(type(ADAPTER), "read_status", lambda *_: outcome)

    return read


def inline(*names: str, form: FileForm = "pdf") -> tuple[Ticket, ...]:
    return tuple(with_inline_file(Ticket(TicketKind.PDF), make_file(form, name)) for name in names)


def submitted(make_system: Setup, quantity: int = 1) -> System:
    h = make_system()
    h.submit(OrderScript(provider="tiqets", reference="1111111", quantity=quantity))
    return h


def test_a_file_stays_in_its_ticket_until_it_is_stored() -> None:
    (ticket,) = inline("a")
    assert inline_file(ticket) == make_file("pdf", "a")
    assert inline_file(Ticket(TicketKind.PDF, url="https://x.example/a.pdf")) is None
    assert inline_file(Ticket(TicketKind.PDF)) is None
    assert "JVBERi" not in repr(ticket)


@pytest.mark.parametrize(("form", "kind"), [("pdf", "pdf"), ("behind_boundary", "pdf"), ("png", "image")])
def test_files_in_a_response_are_in_the_event(make_system: Setup, answers: Answers, form: FileForm, kind: str) -> None:
    h = submitted(make_system, quantity=2)
    answers(Issued(inline("a", "b", form=form)))
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert [(ticket.kind.value, ticket.url) for ticket in order.tickets] == [(kind, None)] * 2
    stored = [h.context.documents.read(ticket.document or "") for ticket in order.tickets]
    assert stored == [make_file(form, "a"), make_file(form, "b")]
    (event,) = h.context.stores.events.list_after(None, 10)
    assert [ticket["document"] for ticket in event.data["tickets"]] == [ticket.document for ticket in order.tickets]
    assert "data:" not in (h.redis.get(keys.tickets("ord-1")) or "")


def test_the_same_file_in_the_next_response_is_the_same_document(make_system: Setup, answers: Answers) -> None:
    h = submitted(make_system, quantity=2)
    answers(PartlyIssued(inline("a"), 2))
    (first,) = h.poll().tickets
    answers(Issued(inline("a", "b")))
    h.redis.delete(keys.tokens("tiqets/default"))
    order = h.poll()
    assert order.status is Status.FULFILLED
    assert (order.tickets[0].id, order.tickets[0].document) == (first.id, first.document)
    assert len({ticket.document for ticket in order.tickets}) == 2


def test_tickets_do_not_count_while_their_files_cannot_be_stored(
    make_system: Setup, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = submitted(make_system)
    answers(Issued(inline("a")))

    def fail(*_: object) -> None:
        raise StorageError("OSError")

    with monkeypatch.context() as patch:
        patch.setattr(DocumentStore, "put", fail)
        order = h.poll()
    assert (order.status, order.tickets, order.attention) == (Status.PENDING, (), None)
    assert order.next_poll_at is not None
    assert h.outcomes() == ["not_ready"]
    assert h.poll().status is Status.FULFILLED


def test_a_response_with_a_file_that_is_too_large_needs_attention(
    make_system: Setup, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = submitted(make_system)
    answers(Issued(inline("a")))
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    order = h.poll()
    assert (order.status, order.attention) == (Status.PENDING, Attention.MALFORMED)
    (attempt,) = h.context.stores.orders.timeline("ord-1")
    assert "a file in the response is larger than 10 bytes" in attempt.why
