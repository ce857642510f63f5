"""Detecting file types: any bytes have one result, and an HTML page is never a ticket."""

import io
from typing import get_args

from hypothesis import example, given
from hypothesis import strategies as st

from willcall.orders.file_types import PDF, DetectedFile, UnsupportedFileError, detect_file_type
from willcall.simulator.documents import FileForm, make_file, pdf

WHOLE = pdf("one")
FORMS = st.sampled_from(get_args(FileForm))
BLANKS = st.text("\0\t\n\r ").map(str.encode)
PAGES = st.sampled_from([b"<!doctype html>", b"<HTML lang=en>", b"<html>", b"<!DOCTYPE HTML PUBLIC 'x'>", b"<body >"])


def found(content: bytes) -> DetectedFile | None:
    try:
        return detect_file_type(io.BytesIO(content))
    except UnsupportedFileError:
        return None


@given(st.binary(max_size=3_000))
def test_any_bytes_are_accepted_or_rejected(content: bytes) -> None:
    found(content)


@given(FORMS, st.data())
def test_any_damaged_file_is_accepted_or_rejected(form: FileForm, data: st.DataObject) -> None:
    content = bytearray(make_file(form, "a1"))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(content)))
        content[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    found(bytes(content))


@given(BLANKS, BLANKS)
def test_blanks_around_a_pdf_are_no_damage(before: bytes, after: bytes) -> None:
    assert found(before + WHOLE + after) == DetectedFile(PDF)


@given(st.integers(5, len(WHOLE) - 2))
def test_a_truncated_pdf_is_accepted_with_a_warning(length: int) -> None:
    clipped = found(WHOLE[:length])
    assert clipped is not None
    assert clipped.type is PDF
    assert clipped.warning is not None
    assert "no end" in clipped.warning


@given(BLANKS, PAGES, st.binary(max_size=900), st.booleans())
@example(b"", b"<html>", b"\n%PDF-1.4\n1 0 obj<<>>endobj\n%%EOF", True)
def test_a_page_is_never_a_ticket(blanks: bytes, page: bytes, rest: bytes, pdf_behind: bool) -> None:  # noqa: FBT001
    assert found(blanks + page + rest + (WHOLE if pdf_behind else b"")) is None
