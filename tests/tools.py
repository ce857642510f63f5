"""Tools that tests need beside Python. Without one, its tests are left out; in CI that is an error."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable

import pytest

_MISSING = "is not installed"


def require(tool: str, found: object) -> None:
    """Leave the test out unless the tool was found."""
    if not found:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{tool} {_MISSING}")


def require_command(name: str) -> str:
    """Return where the command is; leave the test out if it is nowhere."""
    found = shutil.which(name)
    require(name, found)
    return found or ""


def left_out(skipped: Iterable[pytest.TestReport]) -> str:
    """Say in one line how many tests were left out for want of which tools; "" if none were."""
    reasons = (report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    tools = Counter(
        reason.removeprefix("Skipped: ").removesuffix(f" {_MISSING}") for reason in reasons if _MISSING in reason
    )
    return ", ".join(f"{count} for want of {tool}" for tool, count in sorted(tools.items()))
