"""What is refused before anything is looked up."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from willcall.cli.main import app

SUBMIT = ("submit", "--provider", "tiqets", "--reference", "1")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("submit", "--provider", "tiqets"), "--reference"),
        (("submit", "--reference", "1"), "--provider"),
        ((*SUBMIT, "--not-before", "tomorrow"), "ISO 8601"),
        ((*SUBMIT, "--not-before", "2026-11-22T10:00:00"), "needs a time zone"),
        ((*SUBMIT, "--delivery", "slow"), "--delivery"),
        ((*SUBMIT, "--quantity", "two"), "--quantity"),
        ((*SUBMIT, "--meta", "customer"), "must be name=value"),
        (("import", "/does/not/exist.jsonl"), "exist.jsonl"),
        (("orders", "--status", "done"), "--status"),
        (("orders", "--provider", "nobody"), "must be one of funtrips"),
        (("orders", "--limit", "0"), "--limit"),
        (("orders", "--cursor", "yesterday"), "is not a cursor"),
        (("pause", "tiqets", "--for", "soon"), "such as 15m"),
        (("sweep", "dust"), "polls, documents, notify"),
        (("order",), "ID"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_usage_error_is_reported_with_exit_code_2(
    arguments: tuple[str, ...], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments, env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert result.exit_code == 2
    assert complaint in re.sub(r"\x1b\[[0-9;]*m", "", result.stderr)
    assert not result.stdout


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    commands = (
        "submit import order orders poll cancel redeliver inbox accounts pause resume up worker beat api flower "
        "simulator sweep"
    )
    for command in [*commands.split(), "check-config"]:
        assert f" {command} " in result.stdout
