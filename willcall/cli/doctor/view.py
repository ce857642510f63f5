"""Findings for a person, and as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from willcall.cli.doctor.findings import Diagnosis, Level
from willcall.cli.output.console import strip_control_characters
from willcall.cli.output.styles import bare_table
from willcall.views.formatting import format_count

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.WRONG: "red", Level.UNKNOWN: "dim"}


def table(diagnoses: Sequence[Diagnosis]) -> Table:
    """A line per finding; how to mend it stands below."""
    view = bare_table()
    view.add_column("check", no_wrap=True)
    view.add_column("", no_wrap=True)
    view.add_column("found", overflow="fold")
    for diagnosis in diagnoses:
        for number, finding in enumerate(diagnosis.findings):
            found = Text(strip_control_characters(finding.found))
            if finding.mend:
                found.append(f"\n{strip_control_characters(finding.mend)}", "dim")
            name = "" if number else diagnosis.check
            view.add_row(name, Text(finding.level, _STYLES[finding.level]), found)
    return view


def summary(diagnoses: Sequence[Diagnosis]) -> str:
    """How many findings of each kind there are, in a sentence."""
    levels = Counter(finding.level for diagnosis in diagnoses for finding in diagnosis.findings)
    parts = {
        Level.WRONG: "1 thing is wrong" if levels[Level.WRONG] == 1 else f"{levels[Level.WRONG]} things are wrong",
        Level.UNKNOWN: f"{levels[Level.UNKNOWN]} could not be checked",
        Level.WARNING: format_count(levels[Level.WARNING], "warning"),
    }
    words = ", ".join(text for level, text in parts.items() if levels[level])
    return f"{words}." if words else "All is well."


def document(diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    """The findings as JSON."""
    return {
        "ok": all(diagnosis.well for diagnosis in diagnoses),
        "findings": [
            {"check": diagnosis.check, "level": finding.level.value, "found": finding.found, "mend": finding.mend}
            for diagnosis in diagnoses
            for finding in diagnosis.findings
        ],
    }
