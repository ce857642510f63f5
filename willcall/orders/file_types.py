"""Detect the type of a ticket's file from its bytes: a PDF, an image, a wallet pass, or an archive of those.

The bytes decide, as labels and file names are often wrong. A file that a viewer would open is accepted even if it is
damaged; the damage is reported as a warning. PDF: ISO 32000-1, annex H, and what viewers accept beyond it.
"""

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass
from os import SEEK_END
from typing import IO

from willcall.orders.errors import WillcallError
from willcall.orders.zip_directory import zip_names

#: Viewers look for the beginning of a PDF in its first 1,024 bytes.
_HEAD = 1_024
_CHUNK = 64 * 1_024
#: Chunks overlap by this much, which is longer than any match of `_PDF_OBJECT` and any end mark.
_OVERLAP = 64

_BLANKS = b"\x00\t\n\x0b\x0c\r "
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_PDF_HEADER, _PDF_END = b"%PDF-", b"%%EOF"
#: Every PDF has objects, such as `12 0 obj`; an error page that quotes `%PDF-` has none.
_PDF_OBJECT = re.compile(rb"(?<!\d)\d{1,10}\s{1,8}\d{1,5}\s{1,8}obj(?![a-z])")

_HTML_DOCUMENT = re.compile(rb"<(?:!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
#: Tags with which a page begins for browsers: https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
_HTML_TAG = re.compile(
    rb"<(?:!doctype html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p|meta|center|span)[\s/>]",
    re.IGNORECASE,
)
_XML_PROLOGUE_OR_COMMENT = re.compile(rb"\s*(?:<\?xml[^>]*\?>|<!--.*?-->)", re.DOTALL)

_ZIP_START = re.compile(rb"(?:\xef\xbb\xbf|[\t\n\r ])*PK\x03\x04")
#: An archive is accepted if it contains a file with one of these endings.
_TICKET_ENDINGS = (b".pdf", b".png", b".jpg", b".jpeg", b".gif", b".webp", b".pkpass", b".pkpasses")

BYTES_BEFORE = "bytes before its beginning"
BYTES_AFTER = "bytes after its end"
NO_CONTENT = "no content"
NO_END = "no end"


class UnsupportedFileError(WillcallError):
    """The message completes "the file is ..." and quotes nothing of the file."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A media type and the usual file name extension."""

    content_type: str
    extension: str


@dataclass(frozen=True, slots=True)
class DetectedFile:
    """The type of a file, and a warning that says what is damaged about it, if anything."""

    type: FileType
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class _ImageFormat:
    type: FileType
    start: re.Pattern[bytes]
    end: bytes


PDF = FileType("application/pdf", "pdf")
ZIP = FileType("application/zip", "zip")
WALLET_PASS = FileType("application/vnd.apple.pkpass", "pkpass")
WALLET_PASSES = FileType("application/vnd.apple.pkpasses", "pkpasses")


def _image(subtype: str, extension: str, start: bytes, end: bytes) -> _ImageFormat:
    blanks = rb"(?P<before>(?:\xef\xbb\xbf|[\t\n\r ])*)"
    return _ImageFormat(FileType(f"image/{subtype}", extension), re.compile(blanks + start, re.DOTALL), end)


_IMAGES = (
    _image("png", "png", rb"\x89PNG\r\n\x1a\n", b"IEND"),
    _image("jpeg", "jpg", rb"\xff\xd8\xff", b"\xff\xd9"),
    _image("gif", "gif", rb"GIF8[79]a", b"\x00;"),
    _image("webp", "webp", rb"RIFF.{4}WEBP", b""),
)

#: All accepted types, by media type.
FILE_TYPES = {
    file_type.content_type: file_type
    for file_type in (PDF, ZIP, WALLET_PASS, WALLET_PASSES, *(image.type for image in _IMAGES))
}


def detect_file_type(file: IO[bytes]) -> DetectedFile:
    """Return the type of a seekable file. Raises UnsupportedFileError for a file that holds no ticket."""
    file.seek(0)
    # The header may begin with the last of the searched bytes.
    head = file.read(_HEAD + len(_PDF_HEADER) - 1)
    for image in _IMAGES:
        match = image.start.match(head)
        if match:
            complete = _last_index(file, image.end) >= 0
            return DetectedFile(
                image.type, _joined(BYTES_BEFORE if match["before"] else None, None if complete else NO_END)
            )
    if _ZIP_START.match(head):
        return DetectedFile(_zip_type(file))
    # PDF comes last, as an archive may contain one within its first bytes.
    pdf_start = head.find(_PDF_HEADER)
    if pdf_start >= 0 and _is_pdf(file, head[:pdf_start]):
        return DetectedFile(PDF, _pdf_warning(file, head[:pdf_start]))
    raise _refusal(head)


def _is_pdf(file: IO[bytes], before: bytes) -> bool:
    """Return whether a PDF follows the bytes `before` its header.

    An HTML page or JSON text is not a PDF, whatever it quotes. Other texts that quote the header have no objects.
    """
    text = _stripped(before)
    if not text:
        return True
    if text.startswith((b"{", b"[", b'"')) or _HTML_DOCUMENT.search(text):
        return False
    return _contains_object(file, len(before))


def _pdf_warning(file: IO[bytes], before: bytes) -> str | None:
    junk = BYTES_BEFORE if _stripped(before) else None
    end = _last_index(file, _PDF_END)
    if end < 0:
        return _joined(junk, None if _contains_object(file, 0) else NO_CONTENT, NO_END)
    rest = end + len(_PDF_END)
    if _is_blank(file, rest):
        return junk
    # Objects after the last end mark belong to a later part of the file, whose end is missing.
    return _joined(junk, NO_END if _contains_object(file, rest) else BYTES_AFTER)


def _zip_type(file: IO[bytes]) -> FileType:
    names = zip_names(file)
    if names is None:
        raise UnsupportedFileError("a zip archive without a readable directory")
    if b"pass.json" in names:
        return WALLET_PASS
    files = [name.lower() for name in names if not name.endswith(b"/") and not name.startswith(b"__MACOSX/")]
    if files and all(name.endswith(b".pkpass") for name in files):
        return WALLET_PASSES
    if any(name.endswith(_TICKET_ENDINGS) for name in files):
        return ZIP
    raise UnsupportedFileError("a zip archive without a ticket in it")


def _refusal(head: bytes) -> UnsupportedFileError:
    """Return the error for a file that holds no ticket, with what its beginning looks like."""
    text = _stripped(_as_utf8(head))
    while match := _XML_PROLOGUE_OR_COMMENT.match(text):
        text = text[match.end() :].lstrip(_BLANKS)
    if not text:
        return UnsupportedFileError("empty" if not head else "blank")
    if text.startswith((b"{", b"[")):
        return UnsupportedFileError("JSON")
    if text.startswith(b"<!--") or _HTML_TAG.match(text) or _HTML_DOCUMENT.search(text):
        return UnsupportedFileError("an HTML page")
    if text.startswith(b"<"):
        return UnsupportedFileError("XML")
    if _is_plain_text(text):
        return UnsupportedFileError("plain text")
    return UnsupportedFileError("of an unknown type")


def _is_plain_text(text: bytes) -> bool:
    try:
        # Incrementally, as the head may end within a character.
        letters = getincrementaldecoder("utf-8")().decode(text)
    except UnicodeError:
        return False
    return bool(letters) and all(letter.isprintable() or letter.isspace() for letter in letters)


def _as_utf8(head: bytes) -> bytes:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head


def _stripped(text: bytes) -> bytes:
    """Return text without surrounding blanks and byte order marks."""
    return text.strip(_BLANKS + _BYTE_ORDER_MARK)


def _joined(*warnings: str | None) -> str | None:
    return ", ".join(filter(None, warnings)) or None


def _last_index(file: IO[bytes], mark: bytes) -> int:
    """Return the position of the last `mark`, or -1."""
    end = file.seek(0, SEEK_END)
    while end > 0:
        start = max(0, end - _CHUNK)
        file.seek(start)
        found = file.read(end - start).rfind(mark)
        if found >= 0:
            return start + found
        end = start + _OVERLAP if start else 0
    return -1


def _is_blank(file: IO[bytes], start: int) -> bool:
    file.seek(start)
    while chunk := file.read(_CHUNK):
        if chunk.strip(_BLANKS):
            return False
    return True


def _contains_object(file: IO[bytes], start: int) -> bool:
    """Return whether a PDF object begins at or after `start`."""
    file.seek(start)
    overlap = b""
    while chunk := file.read(_CHUNK):
        window = overlap + chunk
        if _PDF_OBJECT.search(window):
            return True
        overlap = window[-_OVERLAP:]
    return False
