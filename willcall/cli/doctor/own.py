"""One process of this host, for the health checks of containers."""

import socket
from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, warning, wrong
from willcall.cli.doctor.signs import silence
from willcall.stores.connection import StoreError
from willcall.stores.processes import FORGOTTEN_AFTER, RUNNING_WITHIN
from willcall.views.formatting import format_duration

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient


def check(patient: "Patient", kind: str) -> list[Finding]:
    """Whether a process of a kind is alive on this host.

    Where Redis is away nobody can tell. That is no reason to restart the process, so it is a warning.
    """
    host = socket.gethostname()
    try:
        seen = [each for each in patient.processes.running(kind, FORGOTTEN_AFTER) if each.name.endswith(f"@{host}")]
        now = patient.now()
    except StoreError:
        return [warning("Redis is away, so nobody can tell", "Look at Redis: to restart this process would not help.")]
    latest = max(seen, key=lambda process: process.last_seen, default=None)
    how = f"Restart it: {kind}s give a sign of life every few seconds."
    if latest is None:
        lately = format_duration(FORGOTTEN_AFTER)
        return [wrong(f"no {kind} on {host} has sent a heartbeat in the last {lately}", how)]
    if now - latest.last_seen > RUNNING_WITHIN:
        return [wrong(silence(latest, now), how)]
    return [ok(f"{latest.name}, seen {format_duration(now - latest.last_seen)} ago")]
