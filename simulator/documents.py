"""The files behind the addresses in answers: a small PDF per ticket, a page per order."""

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
