"""`willcall doctor --self auto`: what a container's health check looks at."""

from pathlib import Path

import pytest

from tests.command import run
from willcall.cli.commands.doctor import main_process

PYTHON = ("/opt/willcall/bin/python", "/opt/willcall/bin/willcall")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ((*PYTHON, "worker", "--concurrency", "8"), "worker"),
        ((*PYTHON, "beat"), "beat"),
        (("/sbin/docker-init", "--", "willcall", "api", "--host", "0.0.0.0"), "api"),  # noqa: S104 - `docker run --init`
        ((*PYTHON, "flower"), "flower"),
        ((*PYTHON, "submit", "--id", "worker"), None),
        ((*PYTHON, "auto"), None),
        ((*PYTHON,), None),
        (("sleep", "worker"), None),
        (("sh", "-c", "willcall check-config && willcall worker"), None),
        ((b"\xff".decode("latin-1"), "worker"), None),
        ((), None),
    ],
)
def test_the_kind_of_the_main_process_is_read_from_its_command_line(
    words: tuple[str, ...], kind: str | None, tmp_path: Path
) -> None:
    cmdline = tmp_path / "cmdline"
    cmdline.write_bytes(b"".join(word.encode("latin-1") + b"\0" for word in words))
    assert main_process(cmdline) == kind


def test_a_system_without_proc_has_no_main_process(tmp_path: Path) -> None:
    assert main_process(tmp_path / "missing") is None


def test_a_container_that_runs_something_else_is_healthy_without_a_configuration(tmp_path: Path) -> None:
    """Process 1 of the machine that runs the tests is no worker."""
    ended = run(tmp_path, "doctor", "--self", "auto", around={"WILLCALL_CONFIG": str(tmp_path / "missing.toml")})
    assert (ended.code, ended.err) == (0, "")
    assert "nothing to check" in ended.out
