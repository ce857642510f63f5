"""Bodies in the codings and charsets that servers send, whatever their labels say."""

import gzip
import json
import zlib
from collections.abc import Callable

from willcall.simulator.script import Coding, Packing
from willcall.simulator.wire import Answer


def pack(answer: Answer, packing: Packing) -> None:
    """Write the body anew, as the script has it, and label it so."""
    body = answer.body
    if packing.charset != "utf-8":
        body = json.dumps(json.loads(body), ensure_ascii=False).encode(packing.charset)
    for coding in packing.codings:
        body = _CODINGS[coding](body)
    answer.body = body
    answer.headers["Content-Type"] = packing.content_type
    if packing.content_encoding is not None:
        answer.headers["Content-Encoding"] = packing.content_encoding


def _members(body: bytes) -> bytes:
    """Gzip of two members, as `cat a.gz b.gz` and some servers write it."""
    half = len(body) // 2
    return gzip.compress(body[:half]) + gzip.compress(body[half:])


def _padded(body: bytes) -> bytes:
    """Gzip with zeros behind it, as tapes and some servers fill their blocks."""
    return gzip.compress(body) + bytes(512)


def _deflate(body: bytes) -> bytes:
    """Deflate without the frame of zlib that the RFC asks for."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


_CODINGS: dict[Coding, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip_members": _members,
    "gzip_padded": _padded,
    "zlib": zlib.compress,
    "deflate": _deflate,
}
