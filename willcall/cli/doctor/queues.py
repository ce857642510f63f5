"""The queues: whether messages move."""
# ruff: noqa: PLC0415 - see cli.session

from contextlib import closing
from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, unknown, warning, wrong
from willcall.views.formatting import format_count, format_duration, format_relative

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.queues import Backlog
    from willcall.cli.doctor.patient import Patient
    from willcall.stores.dead_letters import DeadLetter

#: Seconds by which a message may be late for its queue.
LATE = 5.0
#: Messages that wait for a worker before it is said that there are too few.
MANY = 1_000


def check(patient: "Patient") -> list[Finding]:
    """All queues, on whichever broker."""
    from tasks.queues import queue_names
    from workers.backlog import BacklogReader
    from workers.broker import celery_app

    names = queue_names(patient.config)
    with closing(BacklogReader(celery_app(patient.config.broker_url, names), names)) as backlogs:
        try:
            found = judge(backlogs.read())
        except backlogs.connection_errors:
            found = [unknown("the broker is away")]
    return found + dead_letters(patient.stores.dead_letters.newest(), patient.now())


def dead_letters(letters: "Sequence[DeadLetter]", now: float) -> list[Finding]:
    """By the dead letters, newest first."""
    if not letters:
        return []
    newest = letters[0]
    found = f"{format_count(len(letters), 'message')} could not be processed, the last "
    found += f"{format_relative(newest.at, now, 1)} from {newest.queue}: it {newest.reason.text}"
    return [warning(found, "Look at them: `willcall dead-letters`, then `--requeue ID` or `--clear`.")]


def judge(queues: "Mapping[str, Backlog]") -> list[Finding]:
    """By what is in each."""
    found = []
    for name, backlog in queues.items():
        if backlog.lag and backlog.lag > LATE:
            late = f"what is due in {name} is {format_duration(backlog.lag)} late"
            found.append(wrong(late, "Start a worker for it: each of them moves what is due."))
        if backlog.ready >= MANY:
            crowd = f"{format_count(backlog.ready, 'message')} of {name} wait for a worker"
            found.append(warning(crowd, "Start more workers, or wait if it is a crowd that has just come."))
    ready, waiting = sum(each.ready for each in queues.values()), sum(each.waiting or 0 for each in queues.values())
    return found or [ok(f"{format_count(ready, 'message')} ready, {waiting:,} waiting for their time")]
