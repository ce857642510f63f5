"""Content codings as servers use them, rightly labelled or not."""

import gzip
import json
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from willcall.http.connections import TooManyBytesError
from willcall.http.content_codings import unpacked
from willcall.http.decoders import CodingError

MOST = 1_000_000
BODY = json.dumps({"order_status": "done", "tickets": [{"barcode": "8663092874786"}] * 9}).encode()


def deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def brotli(body: bytes) -> bytes:
    return bytes(pytest.importorskip("brotli").compress(body, quality=5))


def zstd(body: bytes) -> bytes:
    module = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return bytes(pytest.importorskip(module).compress(body))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zlib, quick": lambda body: zlib.compress(body, 1),
    "zlib, best": lambda body: zlib.compress(body, 9),
    "deflate": deflate,
    "br": brotli,
    "zstd": zstd,
    "plain": bytes,
}
#: By which labels each is read. Those with magic need none; the others say nothing of themselves.
ANY = ("gzip", "x-gzip", "GZIP", "deflate", "br", "zstd", "utf-8", "none", "identity", "binary", "aws-chunked", "")
READ_BY = {"deflate": ("deflate", "utf-8, deflate"), "br": ("br", "BR")}

texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=30,
).map(lambda value: json.dumps({"x": value}, ensure_ascii=False).encode(errors="replace"))


def split(body: bytes, size: int) -> Iterator[bytes]:
    yield from (body[start : start + size] for start in range(0, len(body), size))


def read(body: bytes, label: str = "", size: int = 65_536) -> bytes:
    return b"".join(unpacked(split(body, size), label, MOST)[0])


def read_or_broken(body: bytes, label: str, size: int = 65_536) -> bytes | None:
    """The body, `None` where that is refused in one of our own words."""
    try:
        return read(body, label, size)
    except CodingError:
        return None


@pytest.mark.parametrize("coding", PACK)
@example(body=b'{"x": "\x7f"}', size=700)
@given(body=texts, size=st.integers(1, 700))
def test_the_bytes_decide_whatever_the_label_says(coding: str, body: bytes, size: int) -> None:
    for label in READ_BY.get(coding, ANY):
        assert read(PACK[coding](body), label, size) == body, label


@given(body=texts, outer=st.sampled_from(["gzip", "zlib", "zstd"]), inner=st.sampled_from(["gzip", "zlib", "zstd"]))
def test_a_body_compressed_twice_is_decompressed_twice(body: bytes, outer: str, inner: str) -> None:
    packed = PACK[outer](PACK[inner](body))
    for label in (f"{inner}, {outer}", outer, "gzip, gzip", "gzip gzip", ""):
        assert read(packed, label) == body, label


def test_codings_without_magic_bytes_are_recognised_by_their_labels_in_turn() -> None:
    assert read(gzip.compress(deflate(BODY)), "deflate, gzip") == BODY
    assert read(deflate(gzip.compress(BODY)), "gzip, deflate") == BODY
    assert read(brotli(deflate(BODY)), "deflate, br") == BODY


def test_no_more_than_three_layers_are_undone() -> None:
    body = BODY
    for _ in range(4):
        body = gzip.compress(body)
    assert read(body, "gzip, gzip, gzip, gzip") == gzip.compress(BODY)


@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=5),
    padding=st.integers(0, 1_100),
    size=st.integers(1, 700),
    coding=st.sampled_from(["gzip", "zstd"]),
)
def test_streams_that_follow_one_another_are_one_body(parts: list[bytes], padding: int, size: int, coding: str) -> None:
    whole = b"".join(parts)
    assume(not whole.startswith((b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x78")))
    packed = b"".join(PACK[coding](part) + bytes(padding) for part in parts)
    assert read(packed, coding, size) == whole


@pytest.mark.parametrize("coding", ["gzip", "zlib", "zstd"])
@pytest.mark.parametrize("garbage", [b"\0" * 2_000, b"\r\n", b"\0garbage", b"\x1f", b"\x1f\x8b", b"</html>" * 99])
@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_data_after_the_end_is_ignored(coding: str, garbage: bytes, size: int) -> None:
    assert read(PACK[coding](BODY) + garbage, coding, size) == BODY


@pytest.mark.parametrize("coding", ["gzip", "zlib", "deflate", "br", "zstd"])
@given(cut=st.integers(1, 60), body=texts)
def test_a_truncated_body_is_never_accepted(coding: str, cut: int, body: bytes) -> None:
    """It is broken, or it is bytes that are no JSON, where too little is left to tell."""
    label = "deflate" if coding in {"zlib", "deflate"} else coding
    packed = PACK[coding](body)[:-cut]
    left = read_or_broken(packed, label)
    assert left in {None, packed}
    assert left is None or not left.startswith(b"{")


@pytest.mark.parametrize("cut", [1, 8, 9, 20])
def test_a_second_member_without_its_end_is_broken(cut: int) -> None:
    with pytest.raises(CodingError, match="broken gzip"):
        read(gzip.compress(BODY) + gzip.compress(BODY)[:-cut], "gzip")


def test_a_wrong_checksum_is_broken() -> None:
    packed = bytearray(gzip.compress(BODY))
    packed[-6] ^= 1
    with pytest.raises(CodingError, match="broken gzip"):
        read(bytes(packed), "gzip")


@given(body=st.binary(max_size=2_000), label=st.sampled_from(ANY), size=st.integers(1, 700))
def test_any_bytes_are_decoded_or_rejected(body: bytes, label: str, size: int) -> None:
    read_or_broken(body, label, size)


@pytest.mark.parametrize("start", [b"%PDF-1.7\n", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
@pytest.mark.parametrize("label", ANY)
def test_a_file_is_left_as_it_is_whatever_its_label(start: bytes, label: str) -> None:
    file = start + bytes(range(256)) * 20
    assert read(file, label) == file


@pytest.mark.parametrize("coding", [name for name in PACK if name != "plain"])
@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 131_072, 500_000])
def test_nothing_is_held_back_at_the_end(coding: str, length: int) -> None:
    body = b"{" + b" " * length
    label = "deflate" if "zlib" in coding else coding
    for size in (65_536, 3):
        assert read(PACK[coding](body), label, size) == body


# Bombs


@pytest.mark.parametrize("coding", ["gzip", "zlib", "deflate", "br", "zstd"])
def test_a_decompression_bomb_is_aborted_early(coding: str) -> None:
    packed = PACK[coding](bytes(5_000_000))
    label = "deflate" if coding in {"zlib", "deflate"} else coding
    pieces = unpacked(split(packed, 65_536), label, MOST)[0]
    sizes: list[int] = []
    with pytest.raises(TooManyBytesError):
        sizes.extend(map(len, pieces))
    assert sum(sizes) <= MOST
    assert max(sizes) <= 200_000


def test_a_nested_bomb_is_aborted_even_without_output() -> None:
    """The inner one is empty blocks without end, of which the outer one makes a few bytes."""
    empty = struct.pack("<BHH", 0, 0, 0xFFFF)
    endless = gzip.compress(b"")[:10] + empty * 2_000_000
    with pytest.raises(TooManyBytesError):
        read(gzip.compress(endless), "gzip, gzip")


def test_endless_empty_members_are_rejected_in_time() -> None:
    started = time.thread_time()
    with pytest.raises(CodingError, match="too many parts"):
        read(gzip.compress(b"") * 1_000_000, "gzip")
    assert time.thread_time() - started < 30
