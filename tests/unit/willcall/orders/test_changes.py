"""Which event a change makes, and what is none."""

from dataclasses import replace
from typing import Any

import pytest

from willcall.orders.changes import Snapshot, Update, documents_awaited_until, event_type
from willcall.orders.model import Attention, Order, Status, Ticket, TicketKind, TicketStatus
from willcall.orders.ticket_documents import DOCUMENT_ERROR
from willcall.orders.ticket_identity import LISTED

PDF = Ticket(TicketKind.PDF, url="https://files.example/1.pdf?signed=a", extra={"row": "A"})
STORED = replace(PDF, document="doc-1", content_type="application/pdf")
CODE = Ticket(TicketKind.BARCODE, code="123", seat="7")
ORDER = Order("ord-1", "tixstock", "default", "r", Status.FULFILLED, 0.0, 100.0, finished_at=50.0, tickets=(PDF, CODE))


def changed(**fields: Any) -> str | None:
    return event_type(Snapshot.of(ORDER), Snapshot.of(replace(ORDER, **fields)))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"status": Status.CANCELLED, "tickets": (), "attention": Attention.MALFORMED}, "order.cancelled"),
        ({"tickets": (PDF,), "attention": Attention.MALFORMED}, Update.UPDATED),
        ({"tickets": (STORED, CODE)}, Update.UPDATED),
        ({"tickets": (PDF, replace(CODE, seat="8"))}, Update.UPDATED),
        ({"tickets": (PDF, replace(CODE, status=TicketStatus.VOID))}, Update.UPDATED),
        ({"tickets": (replace(PDF, extra={"row": "B"}), CODE)}, Update.UPDATED),
        ({"attention": Attention.MALFORMED}, Update.ATTENTION),
    ],
)
def test_the_most_important_change_is_the_event(fields: dict[str, Any], kind: str) -> None:
    assert changed(**fields) == kind


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tickets": (CODE, PDF)},
        {"tickets": (replace(PDF, url="https://files.example/1.pdf?signed=b"), CODE)},
        {"tickets": (replace(PDF, extra={"row": "A", LISTED: [{"url": "https://files.example/2"}]}), CODE)},
        {"attention": Attention.UNDELIVERABLE},
        {"attempts": 7, "provider_status": "sent", "next_poll_at": 9.0},
    ],
)
def test_what_a_backend_cannot_see_is_no_change(fields: dict[str, Any]) -> None:
    assert changed(**fields) is None


def test_a_new_address_of_a_stored_file_is_no_change_but_another_file_is() -> None:
    order = replace(ORDER, tickets=(STORED,))
    moved = replace(ORDER, tickets=(replace(STORED, url="https://files.example/new.pdf"),))
    corrected = replace(ORDER, tickets=(replace(STORED, document="doc-2"),))
    assert event_type(Snapshot.of(order), Snapshot.of(moved)) is None
    assert event_type(Snapshot.of(order), Snapshot.of(corrected)) is Update.UPDATED


def test_a_link_is_for_the_customer_so_all_of_its_address_counts() -> None:
    link = Ticket(TicketKind.LINK, url="https://tickets.example/show?id=1")
    order, other = replace(ORDER, tickets=(link,)), replace(link, url="https://tickets.example/show?id=2")
    assert event_type(Snapshot.of(order), Snapshot.of(replace(order, tickets=(other,)))) is Update.UPDATED


def test_a_snapshot_is_short_and_read_as_it_was_written() -> None:
    order = replace(ORDER, status=Status.PARTIAL, attention=Attention.PERSONALIZATION)
    text = str(Snapshot.of(order))
    assert Snapshot.last(replace(order, notified=text)) == Snapshot.of(order)
    assert len(text) <= 64  # longer values make the order's hash large


def test_what_release_0_2_0_notified_of_is_the_order_as_it_is() -> None:
    assert event_type(Snapshot.last(ORDER), Snapshot.of(ORDER)) is None


def test_a_fulfilled_order_waits_for_files_until_its_backend_is_notified() -> None:
    order = replace(ORDER, notified=str(Snapshot.of(replace(ORDER, status=Status.PENDING))))
    assert documents_awaited_until(order, 30.0) == 80.0
    assert documents_awaited_until(order, 0.0) is None
    assert documents_awaited_until(replace(order, tickets=(STORED, CODE)), 30.0) is None
    assert documents_awaited_until(replace(order, status=Status.PARTIAL), 30.0) is None
    assert documents_awaited_until(replace(order, notified=str(Snapshot.of(ORDER))), 30.0) is None
    given_up = replace(PDF, extra={DOCUMENT_ERROR: "HTTP 404"})
    assert documents_awaited_until(replace(order, tickets=(given_up,)), 30.0) is None
