"""The configuration, and that of the processes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from willcall.cli.bootstrap import NO_ACCOUNTS, ignored_proxy
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, error, ok, unknown, warning
from willcall.config import ConfigError
from willcall.config.changes import config_digest
from willcall.stores.processes import RunningProcess
from willcall.views.formatting import format_count, format_timestamp


def check_config(context: CheckContext) -> list[Finding]:
    """Check a valid configuration for accounts and for variables without effect."""
    accounts = context.config.accounts
    findings = [warning(str(each), "Correct its name, or remove it.") for each in context.config.warnings]
    proxy = ignored_proxy(context.config)
    if proxy:
        findings.append(warning(proxy, "If requests need no proxy, unset it."))
    if not accounts:
        message, _, fix = NO_ACCOUNTS.partition(": ")
        return [*findings, warning(message, f"{fix[0].upper()}{fix[1:]}.")]
    return [*findings, ok(format_count(len(accounts), "account"))]


def config_errors(problem: ConfigError) -> list[Finding]:
    """Return the errors of an invalid configuration."""
    fix = "Correct it where it is set, in the file or in the environment."
    warnings = [warning(str(each), "Correct its name, or remove it.") for each in problem.warnings]
    return [*(error(str(each), fix) for each in problem.errors), *warnings]


def check_reloads(context: CheckContext) -> list[Finding]:
    """Check that all processes run with the configuration that this command has."""
    running, key = context.processes.running(), context.processes.identity() or ""
    known = [process for process in running if process.configuration and process.configuration.digest]
    if not known:
        return [unknown("no process is running")]
    found = [*_refusals(running), *_pending_restarts(running), *_differences(context, known, key)]
    return found or [ok(f"{_count(known)} with this configuration")]


def _refusals(running: Sequence[RunningProcess]) -> Iterator[Finding]:
    """Yield an error for each file that was refused: processes with the same errors have the same one."""
    refusing = defaultdict(list)
    for process in running:
        if process.configuration and process.configuration.errors:
            refusing[process.configuration.errors].append(process)
    for errors, processes in refusing.items():
        states = [process.configuration for process in processes if process.configuration]
        since = format_timestamp(min(state.taken_at for state in states))
        message = f"{_names(processes)} keep the configuration of {since}, and refused: {'; '.join(errors)}"
        yield error(message, "Correct the file, then run `willcall reload`.")


def _pending_restarts(running: Sequence[RunningProcess]) -> Iterator[Finding]:
    pending = defaultdict(list)
    for process in running:
        if process.configuration and process.configuration.restart_for:
            pending[process.configuration.restart_for].append(process)
    for settings, processes in pending.items():
        message = f"{', '.join(settings)} changed, and {_names(processes)} still use what they started with"
        yield warning(message, "Restart them, or undo the change.")


def _differences(context: CheckContext, running: Sequence[RunningProcess], key: str) -> Iterator[Finding]:
    """Yield a warning if processes run with different configurations, or all of them with another one than here."""
    found = defaultdict(list)
    for process in running:
        if process.configuration:
            found[process.configuration.digest].append(process)
    if len(found) > 1:
        groups = "; ".join(f"{digest}: {_names(processes)}" for digest, processes in sorted(found.items()))
        yield warning(f"processes run with different configurations: {groups}", _RELOAD)
    elif config_digest(context.config, key) not in found:
        yield warning("all processes run with another configuration than this command", _RELOAD)


_RELOAD = "Run `willcall reload`. If that changes nothing, compare their files and environments."


def _names(processes: Sequence[RunningProcess]) -> str:
    return ", ".join(f"{process.kind} {process.name}" for process in processes)


def _count(running: Sequence[RunningProcess]) -> str:
    return "1 process runs" if len(running) == 1 else f"{len(running)} processes run"
