"""Findings as a table and as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from willcall.cli.doctor.findings import CheckResult, Level
from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import plain_table
from willcall.views.formatting import format_count

_STYLES = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.ERROR: "red",
    Level.HIDDEN: "yellow",
    Level.UNKNOWN: "dim",
    Level.RESULT: "dim",
}


def results_table(results: Sequence[CheckResult]) -> Table:
    """Return a row per finding, with the fix below it."""
    table = plain_table()
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("finding")
    for result in results:
        for number, finding in enumerate(result.findings):
            text = Text(strip_control_characters(finding.message))
            if finding.fix:
                text.append(f"\n{strip_control_characters(finding.fix)}", "dim")
            table.add_row("" if number else result.check, Text(finding.level, _STYLES[finding.level]), text)
    return table


def summarize(results: Sequence[CheckResult], *, complete: bool = True) -> str:
    """Return the numbers of findings in a sentence. `complete`: all checks were run."""
    levels = Counter(finding.level for result in results for finding in result.findings)
    needs = "needs" if levels[Level.ERROR] == 1 else "need"
    parts = {
        Level.ERROR: f"{format_count(levels[Level.ERROR], 'problem')} {needs} fixing",
        Level.UNKNOWN: f"{levels[Level.UNKNOWN]} could not be checked",
        Level.HIDDEN: f"{levels[Level.HIDDEN]} unknown",
        Level.WARNING: format_count(levels[Level.WARNING], "warning"),
    }
    summary = ", ".join(text for level, text in parts.items() if levels[level])
    if summary:
        return f"{summary}."
    return (
        "Everything is healthy." if complete else f"{format_count(len(results), 'check')} passed; others were not run."
    )


def results_to_json(results: Sequence[CheckResult]) -> dict[str, Any]:
    return {
        "ok": all(result.passed for result in results),
        "findings": [
            {"check": result.check, "level": finding.level.value, "message": finding.message, "fix": finding.fix}
            for result in results
            for finding in result.findings
        ],
    }
