"""Files that are saved, and forms with files."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    #: A file to send: its content, or its path.
    FileToSend = bytes | str | os.PathLike[str]


@contextmanager
def draft_of(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file that replaces `path` at the end of the block, unless the block raises."""
    target = Path(path)
    draft = target.with_name(f".{uuid4().hex}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def form_of(files: Iterable[FileToSend], texts: Mapping[str, Iterable[str]]) -> tuple[bytes | None, str]:
    """Return a form as it is sent, and its media type. Each text is a field. Raises OSError."""
    fields = [(name, (None, text.encode())) for name, values in texts.items() for text in values]
    parts = [*fields, *(("file", _named(file, number)) for number, file in enumerate(files, 1))]
    if not parts:
        return None, ""
    form = httpx.Request("POST", "http://willcall", files=parts)
    return form.read(), form.headers["content-type"]


def _named(file: FileToSend, number: int) -> tuple[str, bytes]:
    return (f"file-{number}", file) if isinstance(file, bytes) else (Path(file).name, Path(file).read_bytes())
