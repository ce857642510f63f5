"""Where documents are kept, whether it can be written and read; and the documents that are still to be fetched."""

from secrets import token_hex
from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, Level, ok, warning, wrong
from willcall.cli.output.console import redact_url
from willcall.orders.ticket_documents import DOCUMENTS_LATE_AFTER
from willcall.stores.connection import StoreError
from willcall.stores.file_storage import FileStorage, NoRoomError, StorageError
from willcall.views.formatting import describe_fetch, format_count, format_duration

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient

_CONTENT = b"written by willcall doctor, which removes it at once\n"


def check(patient: "Patient") -> list[Finding]:
    """The place, what is late to get there, and what was given up."""
    kept, late = _kept(patient.config.settings.documents_url), [*_late(patient), *_given_up(patient)]
    return late if late and kept.level is Level.OK else [kept, *late]


def _late(patient: "Patient") -> list[Finding]:
    try:
        fetches, now = patient.stores.fetches, patient.now()
        pending = fetches.pending()
        (standing,) = fetches.progress([pending.oldest or ""])
    except StoreError:  # a finding of its own; the place is as good without it
        return []
    waited = pending.waited(now)
    if waited < DOCUMENTS_LATE_AFTER:
        return []
    oldest = f"the oldest, {pending.oldest}, for {format_duration(waited)}"
    what = f"{format_count(pending.count, 'order')} without documents that were to be fetched, {oldest}"
    what += f": {describe_fetch(standing, now)}" if standing else ""
    how = (
        f"`willcall order {pending.oldest}` names the host that its tickets' documents are at, and why they are not "
        "here; see whether it answers. "
        "`willcall orders --documents` lists all such orders."
    )
    return [warning(what, how)]


def _given_up(patient: "Patient") -> list[Finding]:
    try:
        given_up = patient.stores.fetches.given_up()
    except StoreError:  # a finding of its own
        return []
    if not given_up.count or given_up.oldest is None:
        return []
    what = (
        f"documents of {format_count(given_up.count, 'order')} were given up after three days; "
        f"the oldest is {given_up.oldest}, {format_duration(given_up.waited(patient.now()))} ago"
    )
    how = (
        f"`willcall order {given_up.oldest}` says why, and `willcall orders --documents` lists them all. "
        "Ask the provider for the files: the customers have its addresses at most."
    )
    return [warning(what, how)]


def _kept(url: str) -> Finding:
    """Write a file, read it back and remove it, as documents are; but make no folder that nobody may ever use."""
    where, name = redact_url(url), f"doctor-{token_hex(8)}"
    try:
        files = FileStorage(url)
        where = redact_url(files.url)
        if files.will_be_created():
            return ok(f"{where} is not there yet: whoever stores the first document makes it")
        with files.draft() as draft:
            draft.write(_CONTENT)
            files.store(draft, name)
        with files.open(name) as file:
            same = file.read() == _CONTENT
        files.remove(name)
    except NoRoomError as error:
        how = "Make room there, or raise the quota or limit; documents are fetched by themselves then."
        return wrong(f"{where} cannot be used: {error}", how)
    except StorageError as error:
        how = "Let the user that runs the processes write there, or correct `documents_url`."
        return wrong(f"{where} cannot be used: {error}", how)
    if not same:
        return wrong(f"{where} gives back something else than was written", "Correct `documents_url`.")
    return ok(f"{where} can be written to and read")
