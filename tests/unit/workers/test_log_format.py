"""Logs are written for people at a terminal and as JSON elsewhere, unless the configuration says which."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WRITE_A_LINE = """
import structlog
from willcall.config import load
from workers.logs import configure_logging
configure_logging(load())
structlog.get_logger("here").info("order", order="ord-1", status="fulfilled")
"""


def line_of_a_process(folder: Path, around: dict[str, str], *, terminal: bool) -> str:
    """Return what a process logs whose stderr is a terminal or a pipe."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "NO_COLOR"}}
    reader, writer = pty.openpty() if terminal else os.pipe()
    subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", WRITE_A_LINE],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(ROOT)} | around,
        stderr=writer,
        timeout=60,
        check=True,
    )
    written = os.read(reader, 65_536).decode().strip()  # before the terminal's other end is closed
    os.close(writer)
    os.close(reader)
    return written


@pytest.mark.parametrize(
    ("terminal", "around"),
    [
        (False, {}),
        (True, {"WILLCALL_LOG_FORMAT": "json"}),
        (False, {"FORCE_COLOR": "1", "WILLCALL_LOG_FORMAT": "json"}),
    ],
)
def test_lines_are_json_for_machines_and_where_the_configuration_says_so(
    tmp_path: Path, *, terminal: bool, around: dict[str, str]
) -> None:
    line = json.loads(line_of_a_process(tmp_path, around, terminal=terminal))
    assert (line["event"], line["order"], line["status"]) == ("order", "ord-1", "fulfilled")


@pytest.mark.parametrize(
    ("terminal", "around", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"WILLCALL_LOG_FORMAT": "text"}, False),
    ],
)
def test_lines_are_readable_at_a_terminal_and_where_the_configuration_says_so(
    tmp_path: Path, *, terminal: bool, around: dict[str, str], coloured: bool
) -> None:
    line = line_of_a_process(tmp_path, around, terminal=terminal)
    assert not line.startswith("{")
    assert "ord-1" in line
    assert ("\x1b[" in line) is coloured
