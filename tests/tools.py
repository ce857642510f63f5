"""Tools that tests need beside Python. Without one, its tests are left out; in CI that is an error."""

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from functools import cache

import pytest

from willcall.devtools.embedded_redis import executable

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


@cache
def redis_version() -> tuple[int, ...]:
    """Return the version of the Redis server that the tests start, such as (7, 0)."""
    output = subprocess.run([executable(), "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own server
    found = re.search(r"v=(\d+)\.(\d+)", output)
    return tuple(map(int, found.groups())) if found else ()


def left_out(skipped: Iterable[pytest.TestReport]) -> str:
    """Say in one line how many tests were left out for want of which tools; "" if none were."""
    reasons = (report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    tools = Counter(
        reason.removeprefix("Skipped: ").removesuffix(f" {_MISSING}") for reason in reasons if _MISSING in reason
    )
    return ", ".join(f"{count} for want of {tool}" for tool, count in sorted(tools.items()))
