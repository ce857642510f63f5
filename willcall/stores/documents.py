"""Documents: the files that hold tickets, under ids that cannot be guessed, and what is known of each in Redis.

What is known is written before the file, so that a process that dies in between leaves no file that nobody knows of:
the same content, put again, completes it, and in any case it goes with its order.
"""

import hashlib
from dataclasses import dataclass
from os import SEEK_END
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from willcall.orders.errors import WillcallError
from willcall.stores import keys
from willcall.stores.codec import milliseconds
from willcall.stores.files import Files, StorageError
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from redis import Redis

__all__ = ["MAX_BYTES", "Document", "DocumentStore", "RefusedDocumentError", "StorageError", "UnknownDocumentError"]

#: Largest document that is kept.
MAX_BYTES = 20 * 1024 * 1024

#: How a PDF begins, perhaps after blanks, and what stands near its end.
_BEGINNING, _END = b"%PDF-", b"%%EOF"
_BLANKS = b"\xef\xbb\xbf\r\n\t \x00"
#: How far from the start and from the end these may be. Readers look this far too.
_MARGIN = 1_024
_TYPES = {"pdf": "application/pdf"}


class RefusedDocumentError(WillcallError):
    """Content that is no document: too large, no PDF, or one without its end."""


class UnknownDocumentError(WillcallError):
    """There is no document of this id."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored file. `owner` is the order's id, or the key of the account where no order is known yet."""

    id: str
    owner: str
    sha256: str
    size: int
    content_type: str


class DocumentStore:
    """Documents in Redis and in files."""

    def __init__(self, redis: "Redis", url: str) -> None:
        """`redis` decodes responses; `url` is the configuration's `documents_url`."""
        self._redis = redis
        self._note = load(redis, "document")
        self._files = Files(url)
        #: Seconds that storing one document may take.
        self.patience = self._files.patience

    def draft(self) -> "AbstractContextManager[IO[bytes]]":
        """A file to write to what will be `put`; gone after the block. Raises StorageError."""
        return self._files.draft()

    def put(self, content: bytes | IO[bytes], owner: str, kind: str = "pdf") -> Document:
        """Store content, or a draft, for an order (its id) or an account (its key).

        The same content for the same owner is the same document. Raises RefusedDocumentError where it is not what
        `kind` says, StorageError where it cannot be written now.
        """
        if isinstance(content, bytes):
            with self._files.draft() as draft:
                draft.write(content)
                return self.put(draft, owner, kind)
        size = _checked(content)
        content.seek(0)
        digest = hashlib.file_digest(cast("Any", content), "sha256").hexdigest()
        document_id, new = self._noted(owner, digest, size, _TYPES[kind])
        if new or not self._files.holds(_name(document_id)):
            self._files.keep(content, _name(document_id))
        return Document(document_id, owner, digest, size, _TYPES[kind])

    def get(self, document_id: str) -> Document | None:
        """What is known of a document, None where there is none of that id."""
        fields = cast("dict[str, str]", self._redis.hgetall(keys.document(document_id)))
        if not fields:
            return None
        return Document(document_id, fields["owner"], fields["sha256"], int(fields["size"]), fields["type"])

    def open(self, document_id: str) -> BinaryIO:
        """The file's content, to read from and to close. Raises UnknownDocumentError and StorageError."""
        if self.get(document_id) is None:
            raise UnknownDocumentError("there is no such document")
        return self._files.open(_name(document_id))

    def read(self, document_id: str) -> bytes:
        """The file's content. Raises UnknownDocumentError and StorageError."""
        with self.open(document_id) as file:
            return file.read()

    def prune(self, before: float) -> int:
        """Remove the documents of orders that are gone, and those put before `before` (epoch seconds) for an account.

        Returns how many. What a process left half written when it died goes too. Raises StorageError, and may be
        repeated then.
        """
        old = cast("list[str]", self._redis.zrangebyscore(keys.UNCLAIMED, "-inf", milliseconds(before)))
        for document_id in old:
            document = self.get(document_id)
            pipe = self._redis.pipeline()
            if document:
                pipe.hdel(keys.documents(document.owner), document.sha256)
            pipe.sadd(keys.FORGOTTEN, document_id)
            pipe.zrem(keys.UNCLAIMED, document_id)
            pipe.execute()
        removed = 0
        for document_id in cast("set[str]", self._redis.smembers(keys.FORGOTTEN)):
            self._files.remove(_name(document_id))
            pipe = self._redis.pipeline()
            pipe.delete(keys.document(document_id))
            pipe.srem(keys.FORGOTTEN, document_id)
            pipe.execute()
            removed += 1
        self._files.clean()
        return removed

    def _noted(self, owner: str, digest: str, size: int, content_type: str) -> tuple[str, bool]:
        """The document's id, and whether it is new: the owner's content has one, whoever puts it first."""
        document_id, new = self._note(
            keys=[keys.documents(owner), keys.document(""), keys.UNCLAIMED],
            # An account's key has a slash, an order's id has none.
            args=[f"doc_{token_hex(16)}", owner, digest, size, content_type, int("/" in owner)],
        )
        return document_id, bool(new)


def _checked(content: IO[bytes]) -> int:
    """The size of a PDF. Raises RefusedDocumentError."""
    size = content.seek(0, SEEK_END)
    if size > MAX_BYTES:
        raise RefusedDocumentError(f"larger than {MAX_BYTES} bytes")
    content.seek(0)
    if not content.read(_MARGIN).lstrip(_BLANKS).startswith(_BEGINNING):
        raise RefusedDocumentError("no PDF")
    content.seek(max(0, size - _MARGIN))
    if _END not in content.read():
        raise RefusedDocumentError("a PDF without its end")
    return size


def _name(document_id: str) -> str:
    """The file's name: spread over 256 folders, as folders of millions of files are slow."""
    return f"{document_id[4:6]}/{document_id}.pdf"
