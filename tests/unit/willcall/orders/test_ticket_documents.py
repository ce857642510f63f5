"""Which tickets need a document, and which document a ticket keeps when it is listed again."""

from dataclasses import replace
from typing import Any

import pytest

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.ticket_documents import (
    TicketFile,
    attach_documents,
    attach_file,
    carry_over_documents,
    lacks_document,
    mark_given_up,
    missing_document_urls,
    stored_file,
)


def ticket(url: str | None = "https://x.example/a.pdf", **fields: Any) -> Ticket:
    return Ticket(fields.pop("kind", TicketKind.PDF), url=url, **fields)


def carried(new: list[Ticket], old: list[Ticket]) -> list[str | None]:
    return [one.document for one in carry_over_documents(new, old)]


@pytest.mark.parametrize(
    ("one", "lacks"),
    [
        (ticket(), True),
        (ticket(kind=TicketKind.BARCODE, code="1"), True),
        (ticket(None, kind=TicketKind.BARCODE, code="1"), False),
        (ticket(None), False),
        (ticket(document="doc_1"), False),
        (ticket(kind=TicketKind.LINK), False),
        (ticket(kind=TicketKind.PAGE), False),
        (ticket(kind=TicketKind.WALLET), False),
    ],
)
def test_only_files_that_are_not_stored_are_fetched(one: Ticket, *, lacks: bool) -> None:
    assert lacks_document(one) is lacks
    assert bool(missing_document_urls([one])) is lacks


def test_documents_are_attached_by_url() -> None:
    mine = [ticket("https://x/1"), ticket("https://x/2"), ticket("https://x/1"), ticket("https://x/1", document="old")]
    assert missing_document_urls(mine) == ["https://x/1", "https://x/2"]
    got = attach_documents(mine, {"https://x/1": TicketFile("new", "application/pdf")})
    assert [one.document for one in got] == ["new", None, "new", "old"]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/pdf", TicketKind.PDF),
        ("image/png", TicketKind.IMAGE),
        ("image/webp", TicketKind.IMAGE),
        ("application/zip", TicketKind.ARCHIVE),
        ("application/vnd.apple.pkpass", TicketKind.WALLET),
        ("application/vnd.apple.pkpasses", TicketKind.WALLET),
    ],
)
def test_a_ticket_takes_the_kind_of_its_file(content_type: str, kind: TicketKind) -> None:
    file = TicketFile("doc_1", content_type)
    filed = attach_file(ticket(), file)
    assert (filed.kind, filed.document, filed.content_type) == (kind, "doc_1", content_type)
    assert stored_file(filed) == file
    assert filed.comparison_kind is TicketKind.PDF
    assert not lacks_document(filed)
    code = attach_file(ticket(kind=TicketKind.BARCODE, code="1"), file)
    assert (code.kind, code.content_type) == (TicketKind.BARCODE, content_type)


def test_a_warning_stays_until_an_undamaged_file_is_attached() -> None:
    doubtful = attach_file(ticket(extra={"a": 1}), TicketFile("doc_1", "application/pdf", "no end"))
    assert doubtful.extra == {"a": 1, "document_warning": "no end"}
    assert stored_file(doubtful) == TicketFile("doc_1", "application/pdf", "no end")
    assert attach_file(doubtful, TicketFile("doc_2", "application/pdf")).extra == {"a": 1}


def test_the_reason_for_giving_up_stays_until_a_file_is_attached() -> None:
    one, two = mark_given_up(
        [ticket("https://x/1"), ticket("https://x/2", document="doc_2")], {"https://x/1": "HTTP 404"}
    )
    assert (one.extra, two.extra) == ({"document_error": "HTTP 404"}, {})
    assert missing_document_urls([one, two]) == ["https://x/1"]
    assert attach_file(one, TicketFile("doc_1", "application/pdf")).extra == {}


def test_a_document_without_a_content_type_is_a_pdf() -> None:
    assert stored_file(ticket(document="doc_1")) == TicketFile("doc_1", "application/pdf")
    assert stored_file(ticket()) is None


@pytest.mark.parametrize("content_type", ["image/png", "application/zip", "application/vnd.apple.pkpass"])
def test_a_file_of_another_kind_is_carried_over_to_what_is_listed_as_a_pdf(content_type: str) -> None:
    file = TicketFile("doc_1", content_type, "no end")
    old = attach_file(ticket("https://x/a?s=1", extra={"a": 1}), file)
    for address in ("https://x/a?s=1", "https://x/a?s=2"):
        (carried_over,) = carry_over_documents([ticket(address, extra={"a": 1})], [old])
        assert carried_over == replace(old, url=address)


def test_a_ticket_with_the_same_url_keeps_its_document() -> None:
    assert carried([ticket(code="2")], [ticket(code="1", document="doc_1")]) == ["doc_1"]


def test_a_ticket_with_a_newly_signed_url_keeps_its_document() -> None:
    old = [ticket("https://x/a?s=1", seat="1", document="one"), ticket("https://x/b?s=1", seat="2", document="two")]
    new = [ticket("https://x/b?s=2", seat="2"), ticket("https://x/a?s=2", seat="1"), ticket("https://x/c", seat="3")]
    assert carried(new, old) == ["two", "one", None]


def test_extra_fields_are_compared_whatever_their_order() -> None:
    old = [ticket("https://x/a?1", extra={"a": 1, "b": [2]}, document="one")]
    assert carried([ticket("https://x/a?2", extra={"b": [2], "a": 1})], old) == ["one"]
    assert carried([ticket("https://x/a?2", extra={"b": [3], "a": 1})], old) == [None]
    assert carried([ticket("https://x/a?2", extra={"b": [2], "c": 1})], old) == ["one"], "what is new says nothing"


@pytest.mark.parametrize("name", ["seat", "row", "section", "code", "valid_from"])
def test_a_ticket_that_differs_otherwise_does_not_keep_the_document(name: str) -> None:
    old = [ticket("https://x/download?id=1", document="one")]
    assert carried([replace(ticket("https://x/download?id=2"), **{name: "x"})], old) == [None]


def test_tickets_that_differ_only_in_the_query_are_not_confused() -> None:
    old = [ticket("https://x/get?id=1", document="one"), ticket("https://x/get?id=2", document="two")]
    assert carried([ticket("https://x/get?id=2"), ticket("https://x/get?id=3")], old) == ["two", None]
    assert carried([ticket("https://x/get?id=3")], old) == [None]
    assert carried([ticket("https://x/get?id=3"), ticket("https://x/get?id=4")], old[:1]) == [None, None]


def test_an_attached_document_stays() -> None:
    assert carried([ticket(document="pushed")], [ticket(document="old")]) == ["pushed"]
