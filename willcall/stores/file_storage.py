"""Files under `documents_url`, written atomically through fsspec: to a local folder or an object store."""

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
from willcall.stores.private_folders import is_open_to_others, make_private_folder

#: Seconds that one operation of an object store may take.
TIMEOUT = 15.0
#: Where drafts are in a local folder, so that storing one is just a rename.
_PARTS = "parts"
#: Seconds after which a draft counts as abandoned.
_ABANDONED_AFTER = 86_400.0

#: Errors for a full disk, an exceeded quota, and a limit of the process.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(WillcallError):
    """Files cannot be written or read now: disk full, unreachable, no permission. Names only the kind of error."""


class NoRoomError(StorageError):
    """The storage is full."""


class FileStorage:
    """Files by name (`ab/name.pdf`) under one URL. Threads may share it."""

    def __init__(self, url: str) -> None:
        """Use a URL; a relative `file://./folder` refers to the current working directory. Raises StorageError."""
        with _translated():  # some file systems connect at once
            self._fs, self._root = cast("tuple[Any, str]", fsspec.core.url_to_fs(url, use_listings_cache=False))
        self._local = isinstance(self._fs, LocalFileSystem)
        #: The absolute URL.
        self.url = f"file://{self._root}" if self._local else url
        #: fsspec's asynchronous file systems, such as S3, take this with each call.
        self._bounded = {"timeout": TIMEOUT} if self._fs.async_impl else {}
        #: Seconds that storing a file may take: to write it and to check whether it exists. 0 for a folder.
        self.patience = 0.0 if self._local else 2 * TIMEOUT

    def will_be_created(self) -> bool:
        """Return whether it is a folder that does not exist yet and that the first file creates.

        Raises StorageError if it cannot be created.
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

    def is_open_to_others(self) -> bool:
        """Return whether it is a folder that any user of this machine may list or change. Raises StorageError."""
        with _translated():
            return self._local and is_open_to_others(Path(self._root))

    @contextmanager
    def draft(self) -> Iterator[IO[bytes]]:
        """Yield a private file to write to. It is gone after the block, unless it was stored.

        Raises StorageError, also from within the block: an error may show only when the file is closed.
        """
        with _translated():
            path = (self._parts() if self._local else Path(gettempdir())) / f"willcall-{token_hex(16)}"
            file = open(path, "x+b", opener=_private)  # noqa: SIM115 - pathlib knows no opener
        try:
            with _translated(OSError), file:
                yield file
        finally:
            with suppress(OSError):  # remains are removed later; an error here must not hide one of the block
                path.unlink()

    def store(self, draft: IO[bytes], name: str) -> None:
        """Store a draft as `name`, completely or not at all. Raises StorageError."""
        target = f"{self._root}/{name}"
        with _translated():
            draft.flush()
            if self._local:
                os.fsync(draft.fileno())
                _rename(Path(draft.name), Path(target))
            else:
                self._fs.put_file(draft.name, target, **self._bounded)

    def exists(self, name: str) -> bool:
        """Return whether a file exists. Raises StorageError."""
        with _translated():
            return bool(self._fs.exists(f"{self._root}/{name}", **self._bounded))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading. Raises StorageError."""
        with _translated():
            return cast("BinaryIO", self._fs.open(f"{self._root}/{name}", "rb"))

    def remove(self, name: str) -> None:
        """Remove a file if it exists. Raises StorageError."""
        with _translated(), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}", **self._bounded)

    def remove_abandoned_drafts(self) -> None:
        """Remove drafts that processes left behind when they died. Object stores keep none."""
        if self._local:
            with _translated():
                for part in self._parts().iterdir():
                    with suppress(FileNotFoundError):
                        if part.stat().st_mtime < time() - _ABANDONED_AFTER:
                            part.unlink()

    def _parts(self) -> Path:
        folder = Path(self._root, _PARTS)
        if not folder.is_dir():
            make_private_folder(folder)
        return folder


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _rename(path: Path, target: Path) -> None:
    """Rename a file, and create the folder only if it is missing."""
    try:
        path.replace(target)
    except FileNotFoundError:
        make_private_folder(target.parent)
        path.replace(target)


@contextmanager
def _translated(kind: type[Exception] = Exception) -> Iterator[None]:
    """Raise StorageError for any error of a file system: the errors of object stores have no common class."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError("there is no such file") from error
    except kind as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise NoRoomError(os.strerror(error.errno).lower()) from error
        raise StorageError(type(error).__name__) from error
