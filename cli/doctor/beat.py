"""Beat: whether its clock ticks."""

from typing import TYPE_CHECKING

from cli.doctor.findings import Finding, ok, wrong
from willcall.stores.processes import ProcessStore
from willcall.usecases.wording import counted, span

if TYPE_CHECKING:
    from cli.doctor.patient import Patient


def check(patient: "Patient") -> list[Finding]:
    """The beats of all machines; one is enough."""
    alive, now = ProcessStore(patient.redis).alive("beat"), patient.now()
    if not alive:
        what = "no beat is alive: no sweep is started, and what is lost stays lost"
        return [wrong(what, "Start one, `willcall beat`, and read the log of the last.")]
    ticked = max(process.seen for process in alive)
    return [ok(f"{counted(len(alive), 'beat')}, the last sign {span(now - ticked)} ago")]
