"""Documents: whether the store is writable, and which downloads are late or were given up."""

from secrets import token_hex

from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, Level, error, ok, warning
from willcall.cli.output.console import redact_url
from willcall.orders.ticket_documents import DOCUMENTS_LATE_AFTER
from willcall.orders.troubles import SYSTEM_TROUBLES
from willcall.stores.connection import StoreError
from willcall.stores.documents import full_since
from willcall.stores.file_storage import FileStorage, NoRoomError, StorageError
from willcall.views.formatting import describe_fetch, format_count, format_duration

_CONTENT = b"written by willcall doctor, which removes it at once\n"


def check_documents(context: CheckContext) -> list[Finding]:
    """Check the document store and the downloads."""
    storage = _check_storage(context.config.settings.documents_url)
    try:
        downloads = [*_check_room(context), *_check_late(context), *_check_given_up(context)]
    except StoreError:  # a finding of another check
        downloads = []
    return downloads if downloads and storage.level is Level.OK else [storage, *downloads]


def _check_room(context: CheckContext) -> list[Finding]:
    """Report that processes could not store files, which may use another disk than this command does."""
    since = full_since(context.redis)
    if since is None:
        return []
    waited = format_duration(context.now() - since)
    return [error(f"the document store has been full for {waited}", SYSTEM_TROUBLES["documents_full"].remedy)]


def _check_late(context: CheckContext) -> list[Finding]:
    fetches, now = context.stores.fetches, context.now()
    pending = fetches.pending()
    waited = pending.waited(now)
    if waited < DOCUMENTS_LATE_AFTER:
        return []
    (fetch,) = fetches.progress([pending.oldest or ""])
    count = format_count(pending.count, "order")
    message = f"documents of {count} are missing; the oldest, {pending.oldest}, for {format_duration(waited)}"
    message += f": {describe_fetch(fetch, now)}" if fetch else ""
    return [warning(message, _fix("documents_late"), ("workers",))]


def _check_given_up(context: CheckContext) -> list[Finding]:
    given_up = context.stores.fetches.given_up()
    if not given_up.count or given_up.oldest is None:
        return []
    count, waited = format_count(given_up.count, "order"), format_duration(given_up.waited(context.now()))
    message = f"documents of {count} were given up after three days; the oldest, {given_up.oldest}, {waited} ago"
    return [warning(message, _fix("documents_given_up"))]


def _fix(trouble: str) -> str:
    return f"{SYSTEM_TROUBLES[trouble].remedy} `willcall orders --documents` lists the orders."


def _check_storage(url: str) -> Finding:
    """Write a file, read it back and remove it; but create no folder that may never be used."""
    where, name = redact_url(url), f"doctor-{token_hex(8)}"
    try:
        files = FileStorage(url)
        where = redact_url(files.url)
        if files.will_be_created():
            return ok(f"{where} does not exist yet; the first document creates it")
        with files.draft() as draft:
            draft.write(_CONTENT)
            files.store(draft, name)
        with files.open(name) as file:
            same = file.read() == _CONTENT
        files.remove(name)
        exposed = files.is_open_to_others()
    except NoRoomError as problem:
        return error(f"{where} is full: {problem}", SYSTEM_TROUBLES["documents_full"].remedy)
    except StorageError as problem:
        fix = "Let the user that runs the processes write there, or correct `documents_url`."
        return error(f"{where} is not writable: {problem}", fix)
    if not same:
        return error(f"{where} returned other content than was written", "Correct `documents_url`.")
    if exposed:
        fix = "Make it private: `chmod 0700`. Willcall does not change the mode of a folder that exists."
        return warning(f"{where} is open to all users of this machine", fix)
    return ok(f"{where} is writable and readable")
