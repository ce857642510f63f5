"""What checks find."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    #: It works, but an operator should have a look.
    WARNING = "warning"
    #: Orders are late or in danger, or will be.
    ERROR = "error"
    #: It follows from what another check found, and ends with that.
    RESULT = "follows"
    #: The server does not say; the fix is what to check by hand.
    HIDDEN = "unknown"
    #: Something that the check needs is unavailable, which is a finding of another check.
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a message without a full stop, and how to fix it.

    `follows`: the checks whose errors explain it. If one of them has an error, this is no trouble of its own.
    """

    level: Level
    message: str
    fix: str | None = None
    follows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The findings of one check."""

    check: str
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Whether there are no errors and everything could be checked."""
        return all(finding.level in {Level.OK, Level.WARNING, Level.HIDDEN, Level.RESULT} for finding in self.findings)


def ok(message: str) -> Finding:
    return Finding(Level.OK, message)


def warning(message: str, fix: str, follows: tuple[str, ...] = ()) -> Finding:
    return Finding(Level.WARNING, message, fix, follows)


def error(message: str, fix: str, follows: tuple[str, ...] = ()) -> Finding:
    return Finding(Level.ERROR, message, fix, follows)


def hidden(message: str, fix: str) -> Finding:
    return Finding(Level.HIDDEN, message, fix)


def unknown(message: str) -> Finding:
    return Finding(Level.UNKNOWN, message)
