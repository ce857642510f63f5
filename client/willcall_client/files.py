"""Files that are written completely or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


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
