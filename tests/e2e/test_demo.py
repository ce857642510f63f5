"""`willcall demo`, as `make demo` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.worker


def test_the_demo_ends_by_itself_with_every_order_as_scripted(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    command = [sys.executable, "-m", "cli", "demo", "--svg", str(picture)]
    demo = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)  # noqa: S603 - our own
    assert demo.returncode == 0, demo.stdout[-4_000:] + demo.stderr[-2_000:]
    assert "78 of 78 orders ended as scripted" in demo.stdout
    assert "never asked too early" in demo.stdout
    assert "signed callbacks" in demo.stdout
    assert picture.read_text().startswith("<svg")
