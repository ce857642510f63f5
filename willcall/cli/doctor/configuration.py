"""The configuration."""

from typing import TYPE_CHECKING

from willcall.cli.bootstrap import NO_ACCOUNTS
from willcall.cli.doctor.findings import Finding, ok, warning, wrong
from willcall.views.formatting import format_count

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient
    from willcall.config import ConfigError


def check(patient: "Patient") -> list[Finding]:
    """A configuration that could be read."""
    accounts = patient.config.accounts
    if not accounts:
        what, _, how = NO_ACCOUNTS.partition(": ")
        return [warning(what, f"{how[0].upper()}{how[1:]}.")]
    return [ok(format_count(len(accounts), "account"))]


def mistakes(error: "ConfigError") -> list[Finding]:
    """One that could not."""
    how = "Correct it where it is set, in the file or in the environment."
    return [wrong(str(problem), how) for problem in error.errors]
