"""Detecting file types."""

import io
import struct
import tracemalloc
import zipfile
from typing import get_args

import pytest

from willcall.orders.file_types import (
    BYTES_AFTER,
    BYTES_BEFORE,
    FILE_TYPES,
    NO_CONTENT,
    NO_END,
    DetectedFile,
    UnsupportedFileError,
    detect_file_type,
)
from willcall.simulator.documents import FORMS_WITHOUT_TICKET, FileForm, make_file, pdf

WHOLE = pdf("one")
#: An update appended to the file, as PDF editors do: a second end.
UPDATED = WHOLE + b"6 0 obj<</Type/Annot>>endobj\nxref\n0 1\nstartxref\n700\n%%EOF\n"
LONG = pdf("one", size=200_000)


def found(content: bytes) -> DetectedFile:
    return detect_file_type(io.BytesIO(content))


def why_refused(content: bytes) -> str:
    with pytest.raises(UnsupportedFileError) as caught:
        found(content)
    return str(caught.value)


def archive(*names: str, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"content")
        made.comment = comment
    return file.getvalue()


@pytest.mark.parametrize("form", sorted(set(get_args(FileForm)) - FORMS_WITHOUT_TICKET))
def test_every_form_of_ticket_is_accepted(form: FileForm) -> None:
    types = {"png", "jpeg", "gif", "webp"}
    expected = {"pkpass": "application/vnd.apple.pkpass", "pkpasses": "application/vnd.apple.pkpasses"}
    expected |= {"zip": "application/zip"} | {name: f"image/{name}" for name in types}
    assert found(make_file(form, "a1")).type.content_type == expected.get(form, "application/pdf")


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("html", "an HTML page"),
        ("html_about_pdf", "an HTML page"),
        ("please_wait", "an HTML page"),
        ("xml", "XML"),
        ("json", "JSON"),
        ("text", "plain text"),
        ("zip_of_text", "a zip archive without a ticket in it"),
        ("empty", "empty"),
    ],
)
def test_a_file_without_a_ticket_is_rejected_with_its_type(form: FileForm, why: str) -> None:
    assert why_refused(make_file(form, "a1")) == why


@pytest.mark.parametrize(
    ("content", "doubt"),
    [
        (WHOLE, None),
        (LONG, None),
        (UPDATED, None),
        (WHOLE.rstrip(), None),
        (WHOLE + b"\r\n\r\n", None),
        (WHOLE + b"\0" * 2_000, None),
        (WHOLE + b" " * 200_000, None),
        (WHOLE + b"\n" * 3_000, None),
        (b"\xef\xbb\xbf" + WHOLE, None),
        (b"\r\n \t" + WHOLE, None),
        (b"\0\0\0" + WHOLE, None),
        (WHOLE + b"<!-- served in 12 ms -->", BYTES_AFTER),
        (WHOLE + b"<script>/* " + b"x" * 100_000 + b" */</script>", BYTES_AFTER),
        (b"--boundary\r\n\r\n" + WHOLE, BYTES_BEFORE),
        (b"x" * 1_023 + WHOLE, BYTES_BEFORE),
        (b"junk\n" + LONG, BYTES_BEFORE),
        (b"<br />\n<b>Notice</b>: x<br />\n" + WHOLE, BYTES_BEFORE),
        (b"<!-- one -->\n" + WHOLE, BYTES_BEFORE),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + WHOLE, BYTES_BEFORE),
        (b"--b\r\n\r\n" + WHOLE + b"\r\n--b--\r\n", f"{BYTES_BEFORE}, {BYTES_AFTER}"),
        (WHOLE.replace(b"%%EOF", b""), NO_END),
        (WHOLE[:-3], NO_END),
        (WHOLE[:200], NO_END),
        (b"%PDF-1.7", f"{NO_CONTENT}, {NO_END}"),
        (b"x\n" + WHOLE[:200], f"{BYTES_BEFORE}, {NO_END}"),
        (UPDATED[:-30], NO_END),
    ],
)
def test_a_pdf_that_viewers_open_is_accepted_and_damage_is_a_warning(content: bytes, doubt: str | None) -> None:
    assert found(content) == DetectedFile(FILE_TYPES["application/pdf"], doubt)


@pytest.mark.parametrize("distance", [65_530, 65_536, 131_060, 131_072])
def test_an_end_mark_and_an_object_are_found_across_chunks(distance: int) -> None:
    for shift in range(12):
        filler = b"%" + b"." * (distance + shift) + b"\n"
        assert found(b"x\n%PDF-1.4\n" + filler + b"1 0 obj<<>>endobj\n%%EOF").warning == BYTES_BEFORE
        assert found(b"%PDF-1.4\n1 0 obj<<>>endobj\n%%EOF" + b" " * (distance + shift)).warning is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x" * 1_024 + WHOLE, "plain text"),
        (b"<!doctype html><body>" + WHOLE, "an HTML page"),
        (b"<HTML><pre>%PDF-1.4 1 0 obj %%EOF</pre></HTML>", "an HTML page"),
        (b"\xef\xbb\xbf\n<!-- a --><!-- b -->\n<html>%PDF-1.4", "an HTML page"),
        (b"<!-- " + b"x" * 2_000 + b" --><html></html>", "an HTML page"),
        (b"<p>Sorry", "an HTML page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0">\n<html>', "an HTML page"),
        ("\ufeff<!doctype html><p>expired".encode("utf-16-le"), "an HTML page"),
        ("\ufeff<!doctype html><p>expired".encode("utf-16-be"), "an HTML page"),
        (b'{"detail": "<html> %PDF-1.4 1 0 obj"}', "JSON"),
        (b'[{"error": 1}]', "JSON"),
        (b"the file does not begin with %PDF-", "plain text"),
        (b"<Error><Code>AccessDenied</Code></Error>", "XML"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "XML"),
        (b" \r\n\0", "blank"),
        (("é" * 600).encode(), "plain text"),
        (("x" + "é" * 600).encode(), "plain text"),
        (b"\xd7", "of an unknown type"),
        (b"\x7fELF\x02\x01\x01\0", "of an unknown type"),
        (b"Rar!\x1a\x07\x01\x00", "of an unknown type"),
    ],
)
def test_pages_errors_and_other_files_are_rejected(content: bytes, why: str) -> None:
    assert why_refused(content) == why


@pytest.mark.parametrize("form", ["png", "jpeg", "gif"])
def test_a_damaged_image_is_accepted_with_a_warning(form: FileForm) -> None:
    whole = make_file(form, "a1")
    assert found(whole).warning is None
    assert found(whole + b"\0" * 2_000).warning is None
    assert found(whole[:-6]).warning == NO_END
    assert found(b"\r\n" + whole).warning == BYTES_BEFORE


@pytest.mark.parametrize(
    ("names", "content_type"),
    [
        (("pass.json", "manifest.json", "signature"), "application/vnd.apple.pkpass"),
        (("a.pkpass", "b.pkpass"), "application/vnd.apple.pkpasses"),
        (("a.pdf",), "application/zip"),
        (("tickets/", "tickets/A.PDF", "__MACOSX/tickets/._A.PDF", "readme.txt"), "application/zip"),
        (("a.jpeg", "b.png"), "application/zip"),
        (("a.pkpass", "a.pdf"), "application/zip"),
    ],
)
def test_the_type_of_an_archive_follows_its_files(names: tuple[str, ...], content_type: str) -> None:
    assert found(archive(*names)).type.content_type == content_type
    assert found(b"\n" + archive(*names, comment=b"thank you") + b"\0" * 2_000).type.content_type == content_type


@pytest.mark.parametrize(
    "names",
    [
        ("readme.txt",),
        ("[Content_Types].xml", "word/document.xml"),
        ("a.pdf/",),
        ("__MACOSX/._a.pdf",),
        ("x/pass.json",),
    ],
)
def test_an_archive_without_a_ticket_is_rejected(names: tuple[str, ...]) -> None:
    assert why_refused(archive(*names)) == "a zip archive without a ticket in it"


def test_a_broken_archive_is_rejected() -> None:
    whole = archive("a.pdf")
    assert why_refused(whole[:-30]) == "a zip archive without a readable directory"
    beyond = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 4_000_000, 0, 0)
    assert why_refused(b"PK\x03\x04" + beyond) == "a zip archive without a readable directory"
    wrong = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 60, 0, 0)
    assert why_refused(b"PK\x03\x04" + b"x" * 60 + wrong) == "a zip archive without a readable directory"


def test_an_archive_in_the_zip64_form_is_read() -> None:
    whole = archive("a.pdf")
    at = whole.rfind(b"PK\x05\x06")
    size, offset = struct.unpack_from("<LL", whole, at + 12)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, offset)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0)
    assert found(whole[:at] + record + end).type.content_type == "application/zip"


def test_an_archive_with_many_files_needs_little_memory() -> None:
    file = io.BytesIO(archive(*(f"{number}.pdf" for number in range(30_000))))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    assert detect_file_type(file).type.content_type == "application/zip"
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 3_000_000


def test_a_zip_bomb_is_not_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("a.pdf", b"\0" * 50_000_000)
    tracemalloc.start()
    detect_file_type(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
