"""Documents: files with tickets, under ids that cannot be guessed, and the metadata of each in Redis.

The metadata is written before the file, so that a process that dies in between leaves no unknown file:
storing the same content again completes it, and it goes with its order in any case.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import SEEK_END
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from redis.exceptions import RedisError

from willcall.orders.errors import WillcallError
from willcall.orders.file_types import FILE_TYPES, PDF, DetectedFile, UnsupportedFileError, detect_file_type
from willcall.orders.ticket_documents import TicketFile
from willcall.stores import keys
from willcall.stores.codec import milliseconds
from willcall.stores.file_storage import FileStorage, NoRoomError, StorageError
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["MAX_BYTES", "Document", "DocumentStore", "StorageError", "UnknownDocumentError", "UnsupportedFileError"]

#: Seconds for which the store counts as full, if no further file is stored.
_FULL_REMEMBERED = 86_400
#: The largest document, bytes.
MAX_BYTES = 20 * 1024 * 1024


class UnknownDocumentError(WillcallError):
    """There is no document with this id."""


class ErasedOwnerError(StorageError):
    """The order was erased, so none of its files is stored any more."""

    def __init__(self) -> None:
        super().__init__("the order was erased")


@dataclass(frozen=True, slots=True)
class Document:
    """A stored file. `owner`: an order's id, or an account's key while no order is known.

    `content_type` follows from its bytes. `warning` says what is damaged.
    """

    id: str
    owner: str
    sha256: str
    size: int
    content_type: str
    warning: str | None = None

    @property
    def ticket_file(self) -> TicketFile:
        """The file as part of a ticket."""
        return TicketFile(self.id, self.content_type, self.warning)

    @property
    def file_name(self) -> str:
        """The file's name, with the extension of its type."""
        return _file_name(self.id, self.content_type)


class DocumentStore:
    """Files, and their metadata in Redis."""

    def __init__(self, redis: "Redis", url: str) -> None:
        """Store files under `url`, the setting `documents_url`."""
        self._redis = redis
        self._record_document = load(redis, "record_document")
        self._files = FileStorage(url)
        #: Seconds that storing one document may take.
        self.patience = self._files.patience

    @contextmanager
    def draft(self) -> Iterator[IO[bytes]]:
        """Yield a file to write to before it is `put`. It is gone after the block. Raises StorageError."""
        with self._noting_room(), self._files.draft() as draft:
            yield draft

    def put(self, content: bytes | IO[bytes], owner: str) -> Document:
        """Store content or a draft for an order (its id) or an account (its key).

        The same content for the same owner is the same document. Raises UnsupportedFileError if it holds no ticket, and
        StorageError, also if the order was erased.
        """
        if isinstance(content, bytes):
            with self.draft() as draft:
                draft.write(content)
                return self.put(draft, owner)
        size, recognized = _checked(content)
        content.seek(0)
        digest = hashlib.file_digest(cast("Any", content), "sha256").hexdigest()
        document, new = self._recorded(owner, digest, size, recognized)
        if new or not self._files.exists(_path(document)):
            with self._noting_room():
                self._files.store(content, _path(document))
            self._redis.delete(keys.DOCUMENTS_FULL)
            if not self._redis.exists(keys.document(document.id)):  # its order was erased meanwhile
                self._files.remove(_path(document))
                raise ErasedOwnerError
        return document

    @contextmanager
    def _noting_room(self) -> Iterator[None]:
        """Record for operators that the store is full, until the next file can be stored."""
        try:
            yield
        except NoRoomError:
            with suppress(RedisError):
                self._redis.set(keys.DOCUMENTS_FULL, self._redis.time()[0], nx=True, ex=_FULL_REMEMBERED)
            raise

    def full_since(self) -> float | None:
        """Return since when the store has been full (epoch seconds), or `None`."""
        return full_since(self._redis)

    def get(self, document_id: str) -> Document | None:
        """Return a document's metadata, or `None`."""
        fields = cast("dict[str, str]", self._redis.hgetall(keys.document(document_id)))
        if not fields:
            return None
        return Document(
            id=document_id,
            owner=fields["owner"],
            sha256=fields["sha256"],
            size=int(fields["size"]),
            content_type=fields["type"],
            warning=fields.get("doubt"),
        )

    def open(self, document_id: str) -> BinaryIO:
        """Open a file for reading. Raises UnknownDocumentError and StorageError."""
        document = self.get(document_id)
        if document is None:
            raise UnknownDocumentError("there is no such document")
        return self._files.open(_path(document))

    def read(self, document_id: str) -> bytes:
        """Return a file's content. Raises UnknownDocumentError and StorageError."""
        with self.open(document_id) as file:
            return file.read()

    def orphan_unclaimed(self, before: float, count: int) -> int:
        """Mark up to `count` documents for removal that were stored for an account before an epoch second.

        Returns how many.
        """
        old = cast(
            "list[str]",
            self._redis.zrangebyscore(keys.UNCLAIMED_DOCUMENTS, "-inf", milliseconds(before), start=0, num=count),
        )
        for document_id in old:
            document = self.get(document_id)
            pipe = self._redis.pipeline()
            if document:
                pipe.hdel(keys.documents(document.owner), document.sha256)
            pipe.sadd(keys.ORPHANED_DOCUMENTS, document_id)
            pipe.zrem(keys.UNCLAIMED_DOCUMENTS, document_id)
            pipe.execute()
        return len(old)

    def orphaned(self, count: int) -> list[str]:
        """Return up to `count` documents that are to be removed.

        The choice is random, so that those which cannot be removed do not block the others.
        """
        return cast("list[str]", self._redis.srandmember(keys.ORPHANED_DOCUMENTS, count))

    def remove(self, document_id: str) -> bool:
        """Remove an orphaned document. May be repeated after a StorageError."""
        document = self.get(document_id)
        if document:
            self._files.remove(_path(document))
        pipe = self._redis.pipeline()
        pipe.delete(keys.document(document_id))
        pipe.srem(keys.ORPHANED_DOCUMENTS, document_id)
        pipe.execute()
        return True

    def of_owner(self, owner: str) -> dict[str, str]:
        """Return the documents of an order or an account, by the SHA-256 of their content."""
        return cast("dict[str, str]", self._redis.hgetall(keys.documents(owner)))

    def remove_erased(self, order_id: str, *, for_good: bool = False) -> None:
        """Remove the files of an erased order. Raises StorageError, after which it has to be repeated.

        A worker that was storing one of them may not have finished, so they are remembered until this is done
        `for_good`.
        """
        listed = keys.erased_files(order_id)
        for entry in cast("set[str]", self._redis.smembers(listed)):
            document_id, _, content_type = entry.partition(" ")
            self._files.remove(_path_of(document_id, content_type))
        if for_good:
            pipe = self._redis.pipeline()
            pipe.delete(listed)
            pipe.zrem(keys.ERASED, order_id)
            pipe.execute()

    def remove_abandoned_drafts(self) -> bool:
        """Remove drafts that processes left behind when they died. Raises StorageError."""
        self._files.remove_abandoned_drafts()
        return True

    def _recorded(self, owner: str, digest: str, size: int, recognized: DetectedFile) -> tuple[Document, bool]:
        """Return the document of this content, and whether it is new."""
        document_id, new, content_type, doubt = self._record_document(
            keys=[keys.documents(owner), keys.document(""), keys.UNCLAIMED_DOCUMENTS, keys.order(owner)],
            args={
                "id": f"doc_{token_hex(16)}",
                "owner": owner,
                "sha256": digest,
                "size": size,
                "type": recognized.type.content_type,
                # An account's key has a slash, an order's id has none.
                "of_account": "/" in owner,
                "warning": recognized.warning,
            },
        )
        if not document_id:
            raise ErasedOwnerError
        return Document(document_id, owner, digest, size, content_type, doubt or None), bool(new)


def _checked(content: IO[bytes]) -> tuple[int, DetectedFile]:
    """Return the size and type of a file. Raises UnsupportedFileError."""
    size = content.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise UnsupportedFileError(f"larger than {MAX_BYTES} bytes")
    return size, detect_file_type(content)


def _path(document: Document) -> str:
    return _path_of(document.id, document.content_type)


def _path_of(document_id: str, content_type: str) -> str:
    """Return the path of a file: spread over 256 folders, because folders with millions of files are slow."""
    return f"{document_id[4:6]}/{_file_name(document_id, content_type)}"


def _file_name(document_id: str, content_type: str) -> str:
    return f"{document_id}.{FILE_TYPES.get(content_type, PDF).extension}"


def full_since(redis: "Redis") -> float | None:
    """Return since when the store has been full (epoch seconds), or `None`."""
    found = cast("str | None", redis.get(keys.DOCUMENTS_FULL))
    return None if found is None else float(found)
