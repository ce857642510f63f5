"""Files under `documents_url`, written atomically, by fsspec: a folder of this machine or what S3 and its like hold."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from time import time
from typing import IO, Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from willcall.orders.errors import WillcallError
from willcall.stores.documents_url import nearest_existing

#: Seconds that one operation on what is no local folder may take.
TIMEOUT = 15.0
#: Where what is being written stands in a local folder, so that keeping it is a mere renaming.
_PARTS = "parts"
#: Seconds after which what a process left there when it died is rubbish.
_ABANDONED = 86_400.0

#: What the system says where there is no room: on the disk, by a quota, or by a limit of the process.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(WillcallError):
    """The files cannot be written or read now: full, away, not permitted. Names the kind of error alone."""


class NoRoomError(StorageError):
    """There is no room for more."""


class FileStorage:
    """Files by name (`ab/name.pdf`) under one URL. Most connect on first use; safe to share between threads."""

    def __init__(self, url: str) -> None:
        """A relative `file://./folder` is meant from the working directory of this moment. Raises StorageError."""
        with _translated():  # some file systems connect at once
            self._fs, self._root = cast("tuple[Any, str]", fsspec.core.url_to_fs(url, use_listings_cache=False))
        self._local = isinstance(self._fs, LocalFileSystem)
        #: The URL as it is meant, an absolute one.
        self.url = f"file://{self._root}" if self._local else url
        #: File systems of fsspec's asynchronous kind, S3's among them, take this with each call.
        self._bounded = {"timeout": TIMEOUT} if self._fs.async_impl else {}
        #: Seconds that it may take to store a file: to write it, and to look whether it is there. A folder is instant.
        self.patience = 0.0 if self._local else 2 * TIMEOUT

    def will_be_created(self) -> bool:
        """Whether it is a folder that is not there yet, which the first file will make.

        Raises StorageError where it cannot be made.
        """
        if not self._local or Path(self._root).exists():
            return False
        with _translated():
            place = nearest_existing(Path(self._root))
            if not place.is_dir():
                raise NotADirectoryError
            if not os.access(place, os.W_OK | os.X_OK):
                raise PermissionError
        return True

    @contextmanager
    def draft(self) -> Iterator[IO[bytes]]:
        """A file to write to, which only its owner can read; gone after the block unless it was kept.

        Raises StorageError, also from within the block: what cannot be written may show when the file is closed.
        """
        with _translated():
            path = (self._parts() if self._local else Path(gettempdir())) / f"willcall-{token_hex(16)}"
            file = open(path, "x+b", opener=_private)  # noqa: SIM115 - pathlib knows no opener
        try:
            with _translated(OSError), file:
                yield file
        finally:
            with suppress(OSError):  # what stays is cleaned later, and hides no error of the block
                path.unlink()

    def store(self, draft: IO[bytes], name: str) -> None:
        """Make a draft the file `name`, whole or not at all. Raises StorageError."""
        target = f"{self._root}/{name}"
        with _translated():
            draft.flush()
            if self._local:
                os.fsync(draft.fileno())
                _rename(Path(draft.name), Path(target))
            else:
                self._fs.put_file(draft.name, target, **self._bounded)

    def exists(self, name: str) -> bool:
        """Whether there is such a file. Raises StorageError."""
        with _translated():
            return bool(self._fs.exists(f"{self._root}/{name}", **self._bounded))

    def open(self, name: str) -> BinaryIO:
        """The file, to read from. Raises StorageError, also where there is none."""
        with _translated():
            return cast("BinaryIO", self._fs.open(f"{self._root}/{name}", "rb"))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there. Raises StorageError."""
        with _translated(), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}", **self._bounded)

    def remove_abandoned_drafts(self) -> None:
        """Remove drafts that processes left behind when they died; object stores keep none."""
        if self._local:
            with _translated():
                for part in self._parts().iterdir():
                    with suppress(FileNotFoundError):
                        if part.stat().st_mtime < time() - _ABANDONED:
                            part.unlink()

    def _parts(self) -> Path:
        folder = Path(self._root, _PARTS)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        return folder


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _rename(path: Path, target: Path) -> None:
    """Most folders are there already."""
    try:
        path.replace(target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


@contextmanager
def _translated(kind: type[Exception] = Exception) -> Iterator[None]:
    """Whatever a file system raises, as ours: there is no class that those of all object stores share."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError("there is no such file") from error
    except kind as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise NoRoomError(os.strerror(error.errno).lower()) from error
        raise StorageError(type(error).__name__) from error
