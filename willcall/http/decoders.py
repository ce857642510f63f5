"""Incremental decoders of the content codings.

`br` and `zstd` need a library, which `pip install 'willcall[codings]'` installs. We never request these two, but some
servers use them anyway.
"""

import importlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

#: Bytes that a decoder yields at a time, about, so that the reader can stop before a small body becomes a large one.
PIECE = 65_536


class CodingError(Exception):
    """A body that cannot be decoded. The message does not quote it."""


class Decoder(Protocol):
    """Decodes one stream of one coding."""

    @property
    def finished(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def rest(self) -> bytes:
        """The bytes after that end, from what was fed last."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded `data`. Raises one of the coding's `errors` for invalid data."""


@dataclass(frozen=True, slots=True)
class Coding:
    """One coding. `magic` are the first bytes of each stream; a body may have several."""

    name: str
    decoder: Callable[[], Decoder]
    magic: bytes = b""
    errors: tuple[type[Exception], ...] = (zlib.error,)


class _Zlib:
    """The formats that zlib knows, told apart by `wbits`."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def finished(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._inner.decompress(data, PIECE)
            yield piece
            data = self._inner.unconsumed_tail
            # A full piece may not be all: zlib returns what it holds back when it is fed with nothing.
            if self._inner.eof or (not data and len(piece) < PIECE):
                return


class _Brotli:
    rest = b""

    def __init__(self) -> None:
        self._inner = _installed(_BROTLI, "br").Decompressor()

    @property
    def finished(self) -> bool:
        return bool(self._inner.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._inner.process(data, output_buffer_limit=PIECE)
            yield piece
            data = b""
            # As with zlib; it also accepts no more data until all of this is read.
            if self.finished or (len(piece) < PIECE and self._inner.can_accept_more_data()):
                return


class _Zstd:
    def __init__(self) -> None:
        self._inner = _installed(_ZSTD, "zstd").ZstdDecompressor()

    @property
    def finished(self) -> bool:
        return bool(self._inner.eof)

    @property
    def rest(self) -> bytes:
        return bytes(self._inner.unused_data)

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, PIECE)
        while not self.finished and not self._inner.needs_input:
            yield self._inner.decompress(b"", PIECE)


def _library(*names: str) -> ModuleType | None:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _installed(library: ModuleType | None, coding: str) -> ModuleType:
    if library is None:
        raise CodingError(f"the coding {coding} cannot be read without the extra willcall[codings]")
    return library


_BROTLI = _library("brotli")
_ZSTD = _library("compression.zstd", "backports.zstd")

GZIP = Coding("gzip", lambda: _Zlib(zlib.MAX_WBITS | 16), b"\x1f\x8b\x08")
#: The standard's deflate, and what some servers send: the same without the zlib header.
ZLIB = Coding("deflate", lambda: _Zlib(zlib.MAX_WBITS))
DEFLATE = Coding("deflate", lambda: _Zlib(-zlib.MAX_WBITS))
BROTLI = Coding("br", _Brotli, errors=(_BROTLI.error,) if _BROTLI else ())
ZSTD = Coding("zstd", _Zstd, b"\x28\xb5\x2f\xfd", (_ZSTD.ZstdError,) if _ZSTD else ())
