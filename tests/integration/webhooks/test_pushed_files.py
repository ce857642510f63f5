"""Files that Tixstock pushes, as sellers upload them."""

from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.webhooks.conftest import WebhookHarness, general, upload
from tests.integration.webhooks.test_simulated_webhooks import answers, connected_harness
from willcall.orders.model import Attention, Status
from willcall.simulator.documents import FORMS_WITHOUT_TICKET, FileForm, make_file
from willcall.simulator.script import OrderScript

__all__ = ["connected_harness"]

#: Bytes that the two alphabets of base64 write differently.
PDF = b"%PDF-1.7\n\xfb\xff\xfe\xff?>\n%%EOF"


@pytest.mark.parametrize(
    ("form", "kind", "content_type", "doubt"),
    [
        ("padded_with_nulls", "pdf", "application/pdf", None),
        ("behind_blanks", "pdf", "application/pdf", None),
        ("behind_boundary", "pdf", "application/pdf", "bytes before its beginning, bytes after its end"),
        ("with_comment_behind", "pdf", "application/pdf", "bytes after its end"),
        ("clipped", "pdf", "application/pdf", "no end"),
        ("png", "image", "image/png", None),
        ("pkpass", "wallet", "application/vnd.apple.pkpass", None),
        ("zip", "archive", "application/zip", None),
    ],
)
def test_a_valid_upload_is_stored_unchanged_and_accepted(
    harness: WebhookHarness, form: FileForm, kind: str, content_type: str, doubt: str | None
) -> None:
    harness.submit(quantity=1)
    content = make_file(form, "a1")
    answer = harness.answer(upload(pdf=content))
    assert (answer["success"], answer["order_status"]) == (True, "Delivered")
    assert answer["message"] == "Listing has been fulfilled for the order."
    order = harness.order()
    assert (order.status, order.attention) == (Status.FULFILLED, None)
    (ticket,) = order.tickets
    assert (ticket.kind.value, ticket.content_type) == (kind, content_type)
    assert ticket.extra.get("document_warning") == doubt
    assert harness.system.context.documents.read(ticket.document or "") == content


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("html", "the file is an HTML page"),
        ("html_about_pdf", "the file is an HTML page"),
        ("json", "the file is JSON"),
        ("xml", "the file is XML"),
        ("text", "the file is plain text"),
        ("zip_of_text", "the file is a zip archive without a ticket in it"),
    ],
)
def test_a_file_without_a_ticket_is_rejected_with_its_type_and_needs_attention(
    harness: WebhookHarness, form: FileForm, why: str
) -> None:
    assert form in FORMS_WITHOUT_TICKET
    harness.submit(quantity=1)
    answer = harness.answer(upload(pdf=make_file(form, "a1")))
    assert (answer["success"], answer["order_status"]) == (False, "Accepted")
    assert answer["message"] == f"Listing failed to be fulfilled for the order: {why}."
    order = harness.order()
    assert (order.status, order.attention, order.tickets) == (Status.PENDING, Attention.MALFORMED, ())
    (attempt,) = harness.system.context.stores.orders.timeline("ord-1")
    assert attempt.why.endswith(why)


@pytest.mark.parametrize(
    "encode",
    [
        urlsafe_b64encode,
        lambda content: urlsafe_b64encode(content).rstrip(b"="),
        encodebytes,
        lambda content: encodebytes(content).replace(b"\n", b"\r\n\t"),
        lambda content: b"data:application/pdf;base64," + urlsafe_b64encode(content),
        lambda content: b"DATA:application/pdf;name=ticket.pdf;BASE64," + b64encode(content),
        lambda content: b"base64," + b64encode(content),
        lambda content: b64encode(content).replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D"),
    ],
)
def test_base64_is_decoded_in_every_variant(harness: WebhookHarness, encode: Callable[[bytes], bytes]) -> None:
    harness.submit(quantity=1)
    assert harness.answer(upload(file=encode(PDF).decode()))["success"] is True
    (ticket,) = harness.order().tickets
    assert harness.system.context.documents.read(ticket.document or "") == PDF


def test_a_file_with_truncated_base64_is_stored_with_a_warning(harness: WebhookHarness) -> None:
    harness.submit(quantity=1)
    assert (
        harness.answer(upload(file=b64encode(PDF.removesuffix(b"%%EOF") + b"x" * 100).decode()[:41]))["success"] is True
    )
    assert harness.order().tickets[0].extra["document_warning"] == "no content, no end"


def test_files_of_several_types_are_counted_as_separate_admissions(harness: WebhookHarness) -> None:
    harness.submit(quantity=3)
    harness.answer(upload(general_admission=1, row=None, seat=None, pdf=make_file("png", "a")))
    harness.answer(upload(general_admission=1, row=None, seat=None, pdf=make_file("pkpass", "b")))
    assert harness.order().status is Status.PARTIAL
    assert harness.answer(general("c"))["order_status"] == "Delivered"
    assert [ticket.kind.value for ticket in harness.order().tickets] == ["image", "wallet", "pdf"]


def test_a_corrected_file_of_another_type_replaces_the_first(harness: WebhookHarness) -> None:
    harness.submit(quantity=2)
    harness.answer(upload(pdf=make_file("clipped", "a")))
    harness.answer(upload(pdf=make_file("png", "a")))
    (ticket,) = harness.order().tickets
    assert (ticket.kind.value, ticket.content_type) == ("image", "image/png")
    assert "document_warning" not in ticket.extra


def test_an_early_push_keeps_the_type_of_its_file(harness: WebhookHarness) -> None:
    harness.answer(upload(pdf=make_file("clipped", "a")))
    harness.answer(upload(seat="101", pdf=make_file("jpeg", "b")))
    harness.submit(quantity=2)
    first, second = harness.order().tickets
    assert (first.kind.value, first.extra["document_warning"]) == ("pdf", "no end")
    assert (second.kind.value, second.content_type) == ("image", "image/jpeg")


@pytest.mark.parametrize("encoding", ["standard", "url", "unpadded", "lines", "data"])
def test_files_in_a_response_complete_an_order(harness: WebhookHarness, encoding: str) -> None:
    document = {"inline": True, "form": "behind_boundary", "encoding": encoding}
    script = {"provider": "tixstock", "reference": "o-1", "quantity": 2, "document": document}
    harness.system.submit(OrderScript.model_validate(script))
    order = harness.system.poll()
    assert order.status is Status.FULFILLED
    assert [(ticket.url, ticket.content_type) for ticket in order.tickets] == [(None, "application/pdf")] * 2
    assert len({ticket.document for ticket in order.tickets}) == 2


def test_a_page_in_a_response_is_no_ticket_and_needs_attention(harness: WebhookHarness) -> None:
    document = {"inline": True, "form": "html"}
    script = {"provider": "tixstock", "reference": "o-1", "document": document}
    harness.system.submit(OrderScript.model_validate(script))
    order = harness.system.poll()
    assert (order.status, order.attention) == (Status.PENDING, Attention.MALFORMED)
    (attempt,) = harness.system.context.stores.orders.timeline("ord-1")
    assert "a file in the answer is an HTML page, so it is not counted" in attempt.why


def test_a_file_that_is_pushed_and_polled_is_one_admission(connected_harness: WebhookHarness) -> None:
    script = {"provider": "tixstock", "reference": "o-1", "quantity": 2, "partial_after": 0, "ready_after": 600}
    connected_harness.system.submit(OrderScript.model_validate(script | {"document": {"inline": True}}))
    answers(connected_harness, 1)
    order = connected_harness.system.poll()
    assert order.status is Status.PARTIAL
    (ticket,) = order.tickets
    assert ticket.extra["pushed"]


def test_the_simulator_pushes_files_of_every_type_in_every_encoding(connected_harness: WebhookHarness) -> None:
    sent: list[dict[str, Any]] = [
        {"kind": "eticket", "ticket": 0, "form": "behind_boundary", "encoding": "url"},
        {"kind": "eticket", "ticket": 1, "form": "png", "encoding": "lines"},
        {"kind": "eticket", "ticket": 2, "form": "html", "encoding": "data"},
        {"kind": "eticket", "ticket": 2, "form": "padded_with_nulls", "encoding": "data"},
        {"kind": "mobile", "ticket": 3, "form": "pkpass", "encoding": "unpadded"},
    ]
    script = {"provider": "tixstock", "reference": "o-1", "quantity": 4, "ready_after": 600, "pushes": sent}
    connected_harness.system.submit(OrderScript.model_validate(script))
    successes = ['"success": true' in entry["answer"] for entry in answers(connected_harness, len(sent))]
    assert successes == [True, True, False, True, True]
    order = connected_harness.order()
    assert order.status is Status.FULFILLED
    assert [ticket.kind.value for ticket in order.tickets] == ["pdf", "image", "pdf", "wallet"]
