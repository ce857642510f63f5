"""Where documents are kept: whether it can be written and read."""

from secrets import token_hex
from typing import TYPE_CHECKING

from cli.doctor.findings import Finding, ok, wrong
from cli.output import shown_url
from willcall.stores.files import Files, StorageError

if TYPE_CHECKING:
    from cli.doctor.patient import Patient

_CONTENT = b"written by willcall doctor, which removes it at once\n"


def check(patient: "Patient") -> list[Finding]:
    """Write a file, read it back and remove it, as documents are."""
    url = patient.config.settings.documents_url
    where, name = shown_url(url), f"doctor-{token_hex(8)}"
    try:
        files = Files(url)
        with files.draft() as draft:
            draft.write(_CONTENT)
            files.keep(draft, name)
        with files.open(name) as file:
            same = file.read() == _CONTENT
        files.remove(name)
    except StorageError as error:
        how = "Let the user that runs the processes write there, or correct `documents_url`."
        return [wrong(f"{where} cannot be used: {error}", how)]
    if not same:
        return [wrong(f"{where} gives back something else than was written", "Correct `documents_url`.")]
    return [ok(f"{where} can be written to and read")]
