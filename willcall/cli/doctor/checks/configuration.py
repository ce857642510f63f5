"""The configuration."""

from willcall.cli.bootstrap import NO_ACCOUNTS
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, error, ok, warning
from willcall.config import ConfigError
from willcall.views.formatting import format_count


def check_config(context: CheckContext) -> list[Finding]:
    """Check a valid configuration for accounts and for variables without effect."""
    accounts = context.config.accounts
    findings = [warning(str(each), "Correct its name, or remove it.") for each in context.config.warnings]
    if not accounts:
        message, _, fix = NO_ACCOUNTS.partition(": ")
        return [*findings, warning(message, f"{fix[0].upper()}{fix[1:]}.")]
    return [*findings, ok(format_count(len(accounts), "account"))]


def config_errors(problem: ConfigError) -> list[Finding]:
    """Return the errors of an invalid configuration."""
    fix = "Correct it where it is set, in the file or in the environment."
    warnings = [warning(str(each), "Correct its name, or remove it.") for each in problem.warnings]
    return [*(error(str(each), fix) for each in problem.errors), *warnings]
