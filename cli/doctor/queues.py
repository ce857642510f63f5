"""The queues: whether messages move."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING

from cli.doctor.findings import Finding, ok, warning, wrong
from cli.doctor.patient import TIMEOUT
from willcall.usecases.wording import counted, span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.doctor.patient import Patient
    from workers.depths import Depth

#: Seconds by which a message may be late for its queue.
LATE = 5.0
#: Messages that wait for a worker before it is said that there are too few.
MANY = 1_000


def check(patient: "Patient") -> list[Finding]:
    """All queues, on whichever broker."""
    from workers.depths import depths

    return judge(depths(patient.config, TIMEOUT / 2))


def judge(queues: "Mapping[str, Depth]") -> list[Finding]:
    """By what lies in each."""
    found = []
    for name, depth in queues.items():
        if depth.lag > LATE:
            late = f"what is due in {name} is {span(depth.lag)} late"
            found.append(wrong(late, "Start a worker for it: each of them moves what is due."))
        if depth.ready >= MANY:
            crowd = f"{counted(depth.ready, 'message')} of {name} wait for a worker"
            found.append(warning(crowd, "Start more workers, or wait if it is a crowd that has just come."))
    ready, waiting = sum(each.ready for each in queues.values()), sum(each.waiting or 0 for each in queues.values())
    return found or [ok(f"{counted(ready, 'message')} ready, {waiting:,} waiting for their time")]
