"""The `willcall` command by its entry point, in the tests' own process: starting one takes a hundred times as long."""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.own_logging import own_logging
from willcall.cli.main import main

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert "\x1b" not in self.out
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        assert "\x1b" not in self.out
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**more: str) -> dict[str, str]:
    """What a command finds around it, wherever it runs: none of our variables but `more`, and a wide terminal."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("WILLCALL_", "FLOWER_"))}
    return inherited | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"} | more


def run(folder: Path, *arguments: str, around: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end, in a folder; `around`: variables of the environment."""
    out, err, code = StringIO(), StringIO(), None
    with (
        chdir(folder),
        patch.dict(os.environ, environment(**(around or {})), clear=True),
        patch.object(sys, "argv", ["willcall", *arguments]),
        own_logging(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Ended(int(code or 0), out.getvalue(), err.getvalue())
