"""Documents over a real Redis and real file systems."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.full_disk import full_disk
from tests.scripted_server import Serve
from willcall.simulator.documents import FileForm, make_file, pdf
from willcall.stores import documents as module
from willcall.stores import file_storage, keys
from willcall.stores.documents import DocumentStore, StorageError, UnknownDocumentError, UnsupportedFileError
from willcall.stores.file_storage import FileStorage, NoRoomError

if TYPE_CHECKING:
    from redis import Redis

PDF = pdf("one")
Make = Callable[[], DocumentStore]


def prune(store: DocumentStore, before: float) -> int:
    """Remove what the `prune` sweep removes. Returns how many documents."""
    store.orphan_unclaimed(before, 1_000)
    removed = sum(store.remove(document_id) for document_id in store.orphaned(1_000))
    store.remove_abandoned_drafts()
    return removed


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of an S3 server with the bucket `tickets`. Needs `s3fs` and `moto[server]`."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{address}/tickets", timeout=60).raise_for_status()
    yield address
    server.stop()


@pytest.fixture(params=["file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A local folder, an in-memory file system and an object store."""
    match request.param:
        case "file":
            return f"file://{tmp_path}/documents"
        case "memory":
            return f"memory://{tmp_path}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    return f"s3://tickets{tmp_path}"


@pytest.fixture
def make(url: str, redis: "Redis") -> Make:
    """Return a function that makes stores over the same files."""
    return lambda: DocumentStore(redis, url)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_stored_document_can_be_read(make: Make) -> None:
    document = make().put(PDF, "ord-1")
    assert document.size == len(PDF)
    assert document.sha256 == hashlib.sha256(PDF).hexdigest()
    assert (document.owner, document.content_type) == ("ord-1", "application/pdf")
    assert make().get(document.id) == document
    assert make().read(document.id) == PDF
    with make().open(document.id) as file:
        assert file.read(5) == b"%PDF-"


def test_ids_cannot_be_guessed(make: Make) -> None:
    ids = {make().put(PDF, f"ord-{number}").id for number in range(50)}
    assert len(ids) == 50
    assert all(len(document_id) == 4 + 32 and document_id.startswith("doc_") for document_id in ids)


def test_the_same_content_for_the_same_order_is_the_same_document(make: Make) -> None:
    first = make().put(PDF, "ord-1")
    assert make().put(PDF, "ord-1") == first
    assert make().put(pdf("two"), "ord-1").id != first.id
    assert make().put(PDF, "ord-2").id != first.id


def test_threads_that_store_the_same_content_get_the_same_document(make: Make) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(make().put(PDF, "ord-1").id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert make().read(found[0]) == PDF


@pytest.mark.parametrize(("content", "why"), [(b"", "empty"), (b"<!doctype html><p>Expired</p>", "an HTML page")])
def test_a_file_without_a_ticket_is_rejected(make: Make, redis: "Redis", content: bytes, why: str) -> None:
    with pytest.raises(UnsupportedFileError, match=f"^{why}$"):
        make().put(content, "ord-1")
    assert redis.exists(keys.documents("ord-1")) == 0


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("behind_blanks", ("application/pdf", "pdf", None)),
        ("padded_with_nulls", ("application/pdf", "pdf", None)),
        ("behind_boundary", ("application/pdf", "pdf", "bytes before its beginning, bytes after its end")),
        ("clipped", ("application/pdf", "pdf", "no end")),
        ("png", ("image/png", "png", None)),
        ("jpeg", ("image/jpeg", "jpg", None)),
        ("pkpass", ("application/vnd.apple.pkpass", "pkpass", None)),
        ("zip", ("application/zip", "zip", None)),
    ],
)
def test_a_ticket_is_stored_unchanged_with_its_type_and_warning(
    make: Make, redis: "Redis", url: str, form: FileForm, expected: tuple[str, str, str | None]
) -> None:
    content_type, extension, warning = expected
    content = make_file(form, "one")
    document = make().put(content, "ord-1")
    assert (document.content_type, document.warning) == (content_type, warning)
    assert make().get(document.id) == make().put(content, "ord-1") == document
    assert make().read(document.id) == content
    assert document.file_name == f"{document.id}.{extension}"
    assert FileStorage(url).exists(f"{document.id[4:6]}/{document.file_name}")
    redis.sadd(keys.ORPHANED_DOCUMENTS, document.id)
    assert prune(make(), 0) == 1
    assert not FileStorage(url).exists(f"{document.id[4:6]}/{document.file_name}")


def test_a_file_that_is_too_large_is_rejected(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", len(PDF) - 1)
    with pytest.raises(UnsupportedFileError, match="larger than"):
        make().put(PDF, "ord-1")


def test_a_draft_is_stored_as_it_was_written(make: Make, tmp_path: Path) -> None:
    store = make()
    with store.draft() as draft:
        draft.write(PDF)
        document = store.put(draft, "ord-1")
    assert store.read(document.id) == PDF
    with store.draft() as draft:
        draft.write(b"half")
    assert sum(path.suffix != ".pdf" for path in files_in(tmp_path)) == 0


def test_a_lost_file_is_restored_when_it_is_stored_again(make: Make, url: str) -> None:
    store = make()
    document = store.put(PDF, "ord-1")
    FileStorage(url).remove(f"{document.id[4:6]}/{document.id}.pdf")
    with pytest.raises(StorageError, match="no such file"):
        store.read(document.id)
    assert store.put(PDF, "ord-1") == document
    assert store.read(document.id) == PDF


def test_an_interrupted_store_is_completed_by_the_next(
    make: Make, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FileStorage, "store", die)
        with pytest.raises(KeyboardInterrupt):
            store.put(PDF, "ord-1")
    (planned,) = redis.hvals(keys.documents("ord-1"))
    with pytest.raises(StorageError):
        store.read(planned)
    assert store.put(PDF, "ord-1").id == planned
    assert store.read(planned) == PDF


def test_a_removed_document_leaves_nothing(make: Make, redis: "Redis", tmp_path: Path) -> None:
    store = make()
    gone, other = store.put(PDF, "ord-1"), store.put(PDF, "ord-2")
    redis.sadd(keys.ORPHANED_DOCUMENTS, gone.id, "doc_never_written")
    assert prune(store, 0) == 2
    assert (store.get(gone.id), store.get(other.id)) == (None, other)
    assert store.read(other.id) == PDF
    assert not any(gone.id in path.name for path in files_in(tmp_path))
    assert redis.exists(keys.ORPHANED_DOCUMENTS) == 0
    assert prune(store, 0) == 0


def test_documents_of_an_account_expire(make: Make, redis: "Redis") -> None:
    store = make()
    loose, claimed = store.put(PDF, "tixstock/default"), store.put(PDF, "ord-1")
    now = redis.time()[0]
    assert prune(store, now - 10) == 0
    assert prune(store, now + 10) == 1
    assert (store.get(loose.id), store.get(claimed.id)) == (None, claimed)
    assert redis.exists(keys.documents("tixstock/default"), keys.UNCLAIMED_DOCUMENTS) == 0


@pytest.mark.parametrize("document_id", ["", "doc_", "../../etc/passwd", "doc_" + "0" * 32])
def test_an_unknown_id_opens_nothing(make: Make, document_id: str) -> None:
    assert make().get(document_id) is None
    with pytest.raises(UnknownDocumentError):
        make().read(document_id)


# Of a folder alone


def test_a_relative_folder_is_meant_from_the_working_directory(
    redis: "Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = DocumentStore(redis, "file://./var/documents").put(PDF, "ord-1")
    (found,) = files_in(tmp_path)
    assert found == tmp_path / "var/documents" / document.id[4:6] / f"{document.id}.pdf"
    assert found.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_a_storage_error(redis: "Redis", tmp_path: Path) -> None:
    (tmp_path / "documents").write_text("in the way")
    with pytest.raises(StorageError):
        DocumentStore(redis, f"file://{tmp_path}/documents").put(PDF, "ord-1")


@pytest.mark.parametrize("content", [PDF, PDF.replace(b"%%EOF", b" " * 1_000_000 + b"%%EOF")], ids=["small", "large"])
def test_a_full_disk_is_a_storage_error_that_says_so(redis: "Redis", tmp_path: Path, content: bytes) -> None:
    store = DocumentStore(redis, f"file://{tmp_path}")
    with full_disk(), pytest.raises(NoRoomError, match="file too large"):
        store.put(content, "ord-1")
    assert files_in(tmp_path) == []
    assert store.full_since() is not None
    assert store.read(store.put(content, "ord-1").id) == content
    assert store.full_since() is None


def test_a_draft_that_cannot_be_removed_is_no_error(tmp_path: Path) -> None:
    with FileStorage(f"file://{tmp_path}").draft() as draft:
        path = Path(draft.name)
        path.unlink()
        path.mkdir()


def test_an_error_unrelated_to_storage_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFileError), FileStorage(f"file://{tmp_path}").draft():
        raise UnsupportedFileError("no PDF")


def test_a_file_is_stored_completely_or_not_at_all(
    redis: "Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DocumentStore(redis, f"file://{tmp_path}")

    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError):
            store.put(PDF, "ord-1")
    assert files_in(tmp_path) == []


def test_drafts_of_dead_processes_are_removed(redis: "Redis", tmp_path: Path) -> None:
    store = DocumentStore(redis, f"file://{tmp_path}")
    with store.draft() as fresh:
        old = Path(fresh.name).with_name("old")
        old.write_bytes(b"half")
        os.utime(old, (1, 1))
        prune(store, 0)
        assert not old.exists()
        assert Path(fresh.name).exists()


# Of object stores alone


def test_an_object_store_that_hangs_is_a_storage_error_in_time(
    redis: "Redis", serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    s3fs.S3FileSystem.clear_instance_cache()  # it would remember where the other tests' server is
    monkeypatch.setenv("AWS_ENDPOINT_URL", serve(lambda server, _: server.stopped.wait() and None).url)
    monkeypatch.setattr(file_storage, "TIMEOUT", 0.5)
    store = DocumentStore(redis, "s3://tickets/silent")
    began = time.monotonic()
    with pytest.raises(StorageError, match="Timeout"):
        store.put(PDF, "ord-1")
    assert time.monotonic() - began < 30  # by itself, botocore waits a minute, and then tries again
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_folders_and_files_are_private_whatever_the_umask(tmp_path: Path, redis: "Redis") -> None:
    store = DocumentStore(redis, f"file://{tmp_path}/var/documents")
    store.put(PDF, "ord-1")
    modes = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert len(modes) > 3


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    """Its group may have been given access on purpose, such as a backup's or a volume's."""
    folder = tmp_path / "documents"
    folder.mkdir()
    folder.chmod(0o2770)
    files = FileStorage(f"file://{folder}")
    with files.draft() as draft:
        files.store(draft, "ab/name.pdf")
    assert folder.stat().st_mode & 0o7777 == 0o2770
    assert not files.is_open_to_others()
    folder.chmod(0o755)
    assert files.is_open_to_others()
