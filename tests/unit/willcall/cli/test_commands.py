"""The table of commands, and what each imports."""

import inspect
import subprocess
import sys

import pytest

from tests.command import environment
from willcall.cli.main import COMMANDS, load_command

#: Libraries that only processes and some commands need. Importing them takes longer than listing orders.
HEAVY = {"celery", "kombu", "flower", "fastapi", "uvicorn", "fsspec", "requests", "structlog", "prometheus_client"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_of_a_command_is_the_first_sentence_of_its_help(name: str) -> None:
    text = inspect.cleandoc(load_command(name).help)
    assert text.startswith(COMMANDS[name][3])


def test_commands_that_only_read_import_no_heavy_library() -> None:
    modules = ", ".join(f"willcall.cli.commands.{name}" for name in ("orders", "order", "accounts", "inbox", "doctor"))
    command = [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert HEAVY.isdisjoint(ended.stdout.split())
