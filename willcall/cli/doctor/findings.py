"""What a check finds."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, without a full stop, and how to mend it, where there is something to mend."""

    level: Level
    found: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check found."""

    check: str
    findings: list[Finding]

    @property
    def well(self) -> bool:
        """Whether nothing is wrong, as far as could be seen."""
        return all(finding.level in {Level.OK, Level.WARNING} for finding in self.findings)


def ok(found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, found)


def warning(found: str, mend: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(Level.WARNING, found, mend)


def wrong(found: str, mend: str) -> Finding:
    """Orders are late or in danger, or will be."""
    return Finding(Level.WRONG, found, mend)


def unknown(found: str) -> Finding:
    """What it stands on is away, so it cannot be judged; that one is a finding of its own."""
    return Finding(Level.UNKNOWN, found)
