"""The files that tickets link to: small PDFs, the other forms in which servers send files, and signed addresses."""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from secrets import token_bytes
from typing import Literal, get_args
from urllib.parse import urlencode

#: Signs the short-lived addresses of this simulator.
_KEY = token_bytes(16)

#: Content types by file extension.
CONTENT_TYPES = {
    "pdf": "application/pdf",
    "html": "text/html",
    "pkpass": "application/vnd.apple.pkpass",
    "jwt": "application/jwt",
}


def make_document(name: str, ending: str) -> bytes:
    """Return a document's content, different for each name."""
    if ending == "pdf":
        return pdf(f"Ticket {name}")
    if ending == "pkpass":
        return make_file("pkpass", name)
    return f"<!doctype html><title>Tickets</title><p>Ticket {name}</p>".encode()


def sign(name: str, until: float) -> str:
    """Return the query that makes a document's address valid until then (epoch seconds)."""
    expires = f"{until:.3f}"
    signature = hashlib.blake2b(f"{name} {expires}".encode(), key=_KEY, digest_size=16).hexdigest()
    return urlencode({"expires": expires, "signature": signature})


def is_signed(name: str, query: Mapping[str, str], now: float) -> bool:
    """Return whether an address with this query is valid at `now`."""
    try:
        until = float(query.get("expires", ""))
    except ValueError:
        return False
    return until > now and urlencode(query) == sign(name, until)


def pdf(text: str, *, size: int = 0) -> bytes:
    """Return a valid one-page PDF 1.4 with `text` (ASCII without parentheses), padded to at least `size` bytes."""
    unpadded = _pdf(text, "")
    missing = size - len(unpadded) - 2
    return unpadded if missing < 0 else _pdf(text, f"%{'.' * missing}\n")


def _pdf(text: str, padding: str) -> bytes:
    stream = f"BT /F1 14 Tf 40 80 Td ({text}) Tj ET"
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 420 160]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, offsets = f"%PDF-1.4\n{padding}", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj{content}endobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    tail = f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{tail}".encode("ascii")


FileForm = Literal[
    "pdf",
    "padded_with_nulls",
    "padded_with_spaces",
    "padded_with_lines",
    "with_comment_behind",
    "without_end",
    "clipped",
    "behind_boundary",
    "behind_http_head",
    "behind_blanks",
    "behind_warning",
    "png",
    "jpeg",
    "gif",
    "webp",
    "pkpass",
    "pkpasses",
    "zip",
    "html",
    "html_about_pdf",
    "please_wait",
    "xml",
    "json",
    "text",
    "zip_of_text",
    "empty",
]

#: Forms that contain no ticket.
FORMS_WITHOUT_TICKET: frozenset[FileForm] = frozenset(
    ("html", "html_about_pdf", "please_wait", "xml", "json", "text", "zip_of_text", "empty")
)

_BOUNDARY = b"------=_Part_7\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_HTTP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n"
_WARNING = b"<br />\n<b>Warning</b>:  Undefined index: seat in <b>/srv/ticket.php</b> on line <b>31</b><br />\n"


def make_file(form: FileForm, name: str, size: int = 0) -> bytes:
    """Return the file of one ticket, different for each name. `size` is the least size of a PDF in bytes."""
    return _MAKERS[form](name, pdf(f"Ticket {name}", size=size))


def _png(name: str) -> bytes:
    """Return one black pixel, with the name as a comment."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\0" + name.encode()),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _jpeg(name: str) -> bytes:
    comment = name.encode()
    return b"\xff\xd8\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + b"\xff\xd9"


def _gif(name: str) -> bytes:
    comment = name.encode()[:255]
    return (
        b"GIF89a\x01\0\x01\0\0\0\0!\xfe"
        + bytes([len(comment)])
        + comment
        + b"\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;"
    )


def _webp(name: str) -> bytes:
    data = name.encode()
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def _zip(**files: bytes) -> bytes:
    """Return an archive; `_` in a name becomes a dot, as names are given by keyword."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("_", ".")), content)
    return file.getvalue()


def _pkpass(name: str) -> bytes:
    return _zip(pass_json=f'{{"formatVersion": 1, "serialNumber": "{name}"}}'.encode(), manifest_json=b"{}")


def _page(title: str, text: str) -> bytes:
    return f"\ufeff\n<!-- made by hand -->\n<!DOCTYPE html><title>{title}</title><p>{text}</p>\n".encode()


_MAKERS: dict[FileForm, Callable[[str, bytes], bytes]] = {
    "pdf": lambda _, whole: whole,
    "padded_with_nulls": lambda _, whole: whole + b"\0" * 2_000,
    "padded_with_spaces": lambda _, whole: whole + b" " * 5_000,
    "padded_with_lines": lambda _, whole: whole + b"\r\n" * 3_000,
    "with_comment_behind": lambda name, whole: whole + f"\n<!-- served by {name} in 12 ms -->\n".encode(),
    "without_end": lambda _, whole: whole.replace(b"%%EOF", b""),
    "clipped": lambda _, whole: whole[: len(whole) * 3 // 4],
    "behind_boundary": lambda _, whole: _BOUNDARY + whole + b"\r\n------=_Part_7--\r\n",
    "behind_http_head": lambda _, whole: _HTTP_HEAD + whole,
    "behind_blanks": lambda _, whole: b"\xef\xbb\xbf\r\n \n" + whole,
    "behind_warning": lambda _, whole: _WARNING + whole,
    "png": lambda name, _: _png(name),
    "jpeg": lambda name, _: _jpeg(name),
    "gif": lambda name, _: _gif(name),
    "webp": lambda name, _: _webp(name),
    "pkpass": lambda name, _: _pkpass(name),
    "pkpasses": lambda name, _: _zip(one_pkpass=_pkpass(name), two_pkpass=_pkpass(name + "b")),
    "zip": lambda _, whole: _zip(ticket_pdf=whole, readme_txt=b"Have a nice day."),
    "html": lambda name, _: _page("Expired", f"The link {name} has expired."),
    "html_about_pdf": lambda name, _: _page("Error", f"{name} does not begin with %PDF-1.4."),
    "please_wait": lambda name, _: _page("Please wait", f"Your ticket {name} is being made."),
    "xml": lambda name, _: f'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Id>{name}</Id></Error>'.encode(),
    "json": lambda name, _: f'{{"error": "{name} is no %PDF-"}}'.encode(),
    "text": lambda name, _: f"Ticket {name} is not available.".encode(),
    "zip_of_text": lambda _, __: _zip(readme_txt=b"There is no ticket in here."),
    "empty": lambda _, __: b"",
}

if set(_MAKERS) != set(get_args(FileForm)):
    raise AssertionError("each FileForm needs an entry in _MAKERS")
