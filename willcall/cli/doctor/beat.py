"""Beat: whether its clock ticks."""

from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, wrong
from willcall.cli.doctor.signs import since_when
from willcall.stores.connection import probe
from willcall.stores.processes import FORGOTTEN_AFTER, RUNNING_WITHIN
from willcall.views.formatting import format_count, format_duration

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient


def check(patient: "Patient") -> list[Finding]:
    """The beats of all machines; one is enough."""
    seen, now = patient.processes.running("beat", FORGOTTEN_AFTER), patient.now()
    alive = [beat for beat in seen if now - beat.last_seen <= RUNNING_WITHIN]
    if not alive:
        probe(patient.redis)  # a Redis that takes no writes takes no heartbeats either
        last = patient.processes.last_heartbeats().get("beat")
        why = since_when(seen, last, now, "no sweep is started, and what is lost stays lost")
        return [wrong(f"no beat is alive: {why}", "Start one, `willcall beat`, and read the log of the last.")]
    ticked = max(beat.last_seen for beat in alive)
    return [ok(f"{format_count(len(alive), 'beat')}, the last sign {format_duration(now - ticked)} ago")]
