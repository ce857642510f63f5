"""Running checks side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Thread
from time import monotonic

from willcall.cli.doctor.checks.accounts import check_accounts, check_orders
from willcall.cli.doctor.checks.broker import check_broker, check_queues
from willcall.cli.doctor.checks.callbacks import check_callbacks
from willcall.cli.doctor.checks.configuration import check_config, check_reloads
from willcall.cli.doctor.checks.documents import check_documents
from willcall.cli.doctor.checks.processes import check_beat, check_sweeps, check_workers
from willcall.cli.doctor.checks.redis_server import check_redis
from willcall.cli.doctor.context import CHECK_TIMEOUT, CheckContext
from willcall.cli.doctor.findings import CheckResult, Finding, Level, error, unknown
from willcall.stores.connection import StoreError
from willcall.stores.outages import NotServingError

Check = Callable[[CheckContext], list[Finding]]

#: By name, in the order in which they are shown: a check follows those that it depends on.
CHECKS: Mapping[str, Check] = {
    "config": check_config,
    "redis": check_redis,
    "broker": check_broker,
    "workers": check_workers,
    "beat": check_beat,
    "sweeps": check_sweeps,
    "reloads": check_reloads,
    "queues": check_queues,
    "orders": check_orders,
    "accounts": check_accounts,
    "documents": check_documents,
    "callbacks": check_callbacks,
}


def run_checks(context: CheckContext, names: Sequence[str] = ()) -> list[CheckResult]:
    """Run the checks with these names, or all."""
    results = run_in_parallel(context, {name: check for name, check in CHECKS.items() if not names or name in names})
    return mark_consequences(results)


def mark_consequences(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Return the results with what follows from an error of another check marked so: one cause is one problem."""
    causes = {result.check for result in results if any(finding.level is Level.ERROR for finding in result.findings)}

    def marked(finding: Finding) -> Finding:
        cause = next((check for check in finding.follows if check in causes), None)
        return replace(finding, level=Level.RESULT, fix=f"Follows from {cause}, above.") if cause else finding

    return [CheckResult(result.check, [marked(finding) for finding in result.findings]) for result in results]


def run_in_parallel(
    context: CheckContext, checks: Mapping[str, Check], timeout: float = CHECK_TIMEOUT
) -> list[CheckResult]:
    """Run checks at the same time, each for `timeout` seconds at most; none can block or break another."""
    findings: dict[str, list[Finding]] = {}

    def run(name: str) -> None:
        findings[name] = _run_check(checks[name], context)

    # Daemon threads, so that a check that hangs does not keep the command from ending.
    threads = [Thread(target=run, args=(name,), daemon=True) for name in checks]
    for thread in threads:
        thread.start()
    deadline = monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    timed_out = error(f"timed out after {timeout:g} s", "Check the network, and what the check connects to.")
    return [CheckResult(name, findings.get(name, [timed_out])) for name in checks]


def _run_check(check: Check, context: CheckContext) -> list[Finding]:
    try:
        return check(context)
    except NotServingError:
        return [unknown("Redis is not serving requests")]
    except StoreError:
        return [unknown("Redis is unreachable")]
    except Exception as problem:  # noqa: BLE001 - a bug in one check must not hide the findings of the others
        return [error(f"the check failed: {type(problem).__name__}", "This is a bug in Willcall; please report it.")]
