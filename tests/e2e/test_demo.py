"""`willcall demo`, as `make demo` runs it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from willcall.config import load
from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.local_deployment import webhook_token
from workers.log_redaction import REDACTED, secret_values

pytestmark = pytest.mark.proof

#: What Celery writes past all logging while it stops.
_ASIDE = {"", "worker: Warm shutdown (MainProcess)"}


@dataclass(frozen=True)
class Demo:
    """A run: what it printed, its picture, and what its processes left."""

    code: int
    printed: str
    picture: str
    folder: Path

    def log(self, process: str) -> str:
        return (self.folder / f"{process}.log").read_text()

    def lines(self, process: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log(process).splitlines() if line not in _ASIDE]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    picture = folder / "demo.svg"
    command = [sys.executable, "-m", "willcall.cli", "demo", "--svg", str(picture), "--keep", str(folder / "kept")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=270, check=False)  # noqa: S603 - our own
    return Demo(run.returncode, run.stdout + run.stderr, picture.read_text(), folder / "kept")


def test_the_demo_ends_with_every_order_as_scripted(demo: Demo) -> None:
    assert demo.code == 0, demo.printed[-6_000:]
    assert "78 of 78 orders ended as scripted" in demo.printed
    assert "never too early" in demo.printed
    assert "signed callbacks" in demo.printed
    assert demo.picture.startswith("<svg")


def test_no_process_of_the_demo_writes_a_secret(demo: Demo) -> None:
    """Credentials, tokens, references, codes and addresses of tickets: none, whichever process had it."""
    config = load({"WILLCALL_CONFIG": str(demo.folder / "willcall.toml")})
    issued = json.loads((demo.folder / "issued.json").read_text())
    ours, theirs = secret_values(config), {secret for secret in issued if len(secret) > 6}  # `me`, `mine` are words
    assert {SECRET, *map(webhook_token, ("tiqets/default", "tixstock/default"))} < ours
    assert len(ours) > 10
    assert len(theirs) > 200
    for name in ("worker", "api", "redis/redis"):
        assert demo.log(name)
    everything = {path.name: path.read_text() for path in demo.folder.rglob("*.log")} | {"printed": demo.printed}
    everything["picture"] = demo.picture
    leaks = {(secret, name) for name, text in everything.items() for secret in ours | theirs if secret in text}
    assert leaks == set()
    assert not [name for name, text in everything.items() if REDACTED in text], "and nothing had to be masked"


def test_each_log_line_of_an_attempt_names_it(demo: Demo) -> None:
    fulfilled = [line for line in demo.lines("worker") if line["event"] == "order" and line["status"] == "fulfilled"]
    assert len(fulfilled) > 40
    by_poll = [line for line in fulfilled if line["task"] == "tasks.poll"]
    assert len(by_poll) > 30
    for line in by_poll:
        assert line["account"].startswith(f"{line['provider']}/")
        assert line["order"].startswith("demo-")
        assert line["attempt"] <= line["seq"]


def test_all_processes_of_the_demo_log_json_and_no_errors(demo: Demo) -> None:
    for name in ("worker", "beat", "api"):
        for line in demo.lines(name):
            assert {"event", "level", "logger", "timestamp"} <= line.keys()
            assert line["level"] not in {"error", "critical"}, line
