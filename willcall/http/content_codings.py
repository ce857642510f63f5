"""Decode content codings (gzip, deflate, br, zstd). The bytes determine the coding; the label is only a hint.

Some servers and proxies label plain bytes as `gzip`, `UTF-8` or `none`, compress without a label or twice, use either
of two formats for `deflate`, or append bytes after the end.

https://www.rfc-editor.org/rfc/rfc9110#field.content-encoding
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from willcall.http.decoders import BROTLI, DEFLATE, GZIP, ZLIB, ZSTD, Coding, CodingError
from willcall.http.errors import TooManyBytesError

#: Most codings of one body, one around the other.
_MOST_LAYERS = 3
#: Most streams of a coding, one after another: many empty ones would take long to decode.
_MOST_STREAMS = 10_000
#: Bytes that are enough to recognize a body's type.
_SAMPLE = 512

_LABELS = {"gzip", "x-gzip", "deflate", "br", "zstd"}
#: Codings without magic bytes: tried only if the label names them.
_WITHOUT_FRAME = {"deflate": DEFLATE, "br": BROTLI}
#: First bytes of files that have no content coding: PDF, zip (passes), PNG, JPEG.
_PLAIN = (b"%PDF-", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff")
#: First bytes of JSON, XML and HTML; and bytes that none of them contains in a charset that extends ASCII.
_TEXT = {b"{", b"[", b'"', b"<"}
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
_BOM = b"\xef\xbb\xbf"
#: First bytes of a zlib stream, with which no text begins.
_BINARY_ZLIB = (b"\x78\x01", b"\x78\x9c", b"\x78\xda")


def unpacked(chunks: Iterable[bytes], label: str, most: int) -> tuple[Iterator[bytes], bool]:
    """Return the body without its codings, piece by piece, and whether it had any.

    `chunks` is the body as received, `label` its `Content-Encoding`, ignored unless it names a coding. No coding may
    decode to more than `most` bytes. Raises CodingError and TooManyBytesError, at once or while the pieces are read.
    """
    labels = [word for word in re.split(r"[\s,]+", label.lower()) if word in _LABELS]
    packed = False
    rest = iter(chunks)
    for _ in range(_MOST_LAYERS):
        sample, rest = _peek(rest)
        coding = _recognised(sample, labels.pop() if labels else None)
        if coding is None:
            break
        rest, packed = limited(_undone(rest, coding), most), True
    return rest, packed


def limited(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield the chunks. Raises TooManyBytesError after more than `most` bytes in total."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise TooManyBytesError
        yield chunk


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the beginning of the body, and an iterator over the whole body."""
    begun = bytearray()
    for chunk in chunks:
        begun += chunk
        if len(begun) >= _SAMPLE:
            break
    return bytes(begun[:_SAMPLE]), chain((bytes(begun),), chunks)


def _recognised(sample: bytes, label: str | None) -> Coding | None:
    """Return the coding of a body that begins with `sample`, or `None`."""
    for coding in (GZIP, ZSTD):
        if sample.startswith(coding.magic):
            return coding
    if not sample or sample.startswith(_PLAIN) or _is_text(sample):
        return None
    if (label or sample.startswith(_BINARY_ZLIB)) and _begins(sample, ZLIB):
        return ZLIB
    frameless = _WITHOUT_FRAME.get(label or "")
    return frameless if frameless and _begins(sample, frameless) else None


def _is_text(sample: bytes) -> bool:
    return sample.removeprefix(_BOM).lstrip()[:1] in _TEXT and not _CONTROLS.search(sample)


def _begins(sample: bytes, coding: Coding) -> bool:
    """Return whether a stream of the coding can begin with `sample`. A raw deflate stream must not end within it."""
    decoder = coding.decoder()
    try:
        for _ in decoder.feed(sample):
            break
    except coding.errors:
        return False
    return not (coding is DEFLATE and decoder.finished and decoder.rest)


def _undone(chunks: Iterator[bytes], coding: Coding) -> Iterator[bytes]:
    """Decode the streams of a coding, one after another; gzip allows several.

    Zeros between and after them are padding; anything else after a stream is ignored.
    """
    decoder, rest, streams = coding.decoder(), b"", 1
    try:
        for chunk in chunks:
            rest += chunk
            while rest:
                if decoder.finished:
                    rest = rest.lstrip(b"\0")
                    if not coding.magic or not rest.startswith(coding.magic):
                        break
                    decoder, streams = coding.decoder(), streams + 1
                    if streams > _MOST_STREAMS:
                        raise CodingError(f"{coding.name} in too many parts")
                yield from decoder.feed(rest)
                rest = decoder.rest
            if rest and not coding.magic.startswith(rest):
                deque(chunks, maxlen=0)
    except coding.errors:
        raise CodingError(f"broken {coding.name}") from None
    if not decoder.finished:
        raise CodingError(f"broken {coding.name}")
