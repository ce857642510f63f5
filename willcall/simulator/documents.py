"""The files behind the addresses in answers: a small PDF per ticket, a page per order."""

import hashlib
from collections.abc import Mapping
from secrets import token_bytes
from urllib.parse import urlencode

#: What the short-lived addresses of this simulator are signed with.
_KEY = token_bytes(16)

#: Content type by the ending of the name.
TYPES = {
    "pdf": "application/pdf",
    "html": "text/html",
    "pkpass": "application/vnd.apple.pkpass",
    "jwt": "application/jwt",
}


def document(name: str, ending: str) -> bytes:
    """The document's content, different for each name."""
    if ending == "pdf":
        return pdf(f"Ticket {name}")
    return f"<!doctype html><title>Tickets</title><p>Ticket {name}</p>".encode()


def sign(name: str, until: float) -> str:
    """The query that makes a document's address good until then (epoch seconds)."""
    expires = f"{until:.3f}"
    signature = hashlib.blake2b(f"{name} {expires}".encode(), key=_KEY, digest_size=16).hexdigest()
    return urlencode({"expires": expires, "signature": signature})


def is_signed(name: str, query: Mapping[str, str], now: float) -> bool:
    """Whether an address with this query is good at `now`."""
    try:
        until = float(query.get("expires", ""))
    except ValueError:
        return False
    return until > now and urlencode(query) == sign(name, until)


def pdf(text: str, *, size: int = 0) -> bytes:
    """A valid one-page PDF 1.4 that says `text` (ASCII without parentheses), padded to at least `size` bytes."""
    bare = _pdf(text, "")
    return bare if len(bare) + 2 > size else _pdf(text, f"%{'.' * (size - len(bare) - 2)}\n")


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
