"""docs/backend.md is followed word by word: its commands are run, and its output is compared."""

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from tests.waiting import STALL, wait_until
from willcall.devtools.embedded_redis import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.proof

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "backend.md").read_text()
SECTIONS = dict(re.findall(r"^## (\d)\. [^\n]+\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL))
_BLOCK = re.compile(r"^```(?:console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody who types the commands of the page, with free ports in place of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = {port: str(free_port()) for port in ("8080", "8400", "9000")}
        self._flower = free_port()
        self._variables = folder / "variables"
        self._variables.write_text("")
        (folder / "docs").symlink_to(ROOT / "docs")

    def type(self, command: str) -> str:
        """Run a command to its end in the first terminal, whose variables stay; return what it prints."""
        keep = f"pwd >{self.folder}/place; declare -p SECRET NEW >{self._variables} 2>/dev/null || true"
        script = f"set -e; source {self._variables}; {self._own(command)}\n{keep}"
        ended = subprocess.run(  # noqa: S603 - our own documentation
            ["/bin/bash", "-c", script],
            cwd=self._place,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def start(self, command: str, opened: ExitStack) -> "Running":
        """Start a command in a further terminal."""
        return opened.enter_context(Running(self._own(command), self._place, self._environment))

    @property
    def _place(self) -> str:
        place = self.folder / "place"
        return place.read_text().strip() if place.exists() else str(self.folder)

    @property
    def _environment(self) -> "dict[str, str]":
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WILLCALL_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**inherited, "PATH": path, "PYTHONUNBUFFERED": "1", "COLUMNS": "100", "NO_COLOR": "1"}

    def _own(self, command: str) -> str:
        command = command.replace("willcall simulator", "willcall simulator --port 8400")
        command = command.replace("willcall up", f"willcall up --api-port 8080 --flower-port {self._flower}")
        return re.sub("|".join(self._ports), lambda port: self._ports[port[0]], command)


class Running:
    """A command that runs until it is stopped with Ctrl-C."""

    def __init__(self, command: str, place: str, environment: "dict[str, str]") -> None:
        self._output = Path(place) / f"output-{free_port()}"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own documentation
                ["/bin/bash", "-c", command], cwd=place, env=environment, stdout=output, start_new_session=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def lines(self) -> "list[str]":
        return self._output.read_text().splitlines()

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(STALL)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise


def commands(section: str) -> "Iterator[tuple[str, list[str]]]":
    """Yield each command of a section, and the lines that the page shows as its output."""
    for block in _BLOCK.findall(SECTIONS[section]):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            count = next(number for number in range(1, len(lines) + 1) if is_complete("\n".join(lines[:number])))
            yield "\n".join(lines[:count]), lines[count:]


def is_complete(command: str) -> bool:
    """Whether a shell would run it, rather than wait for more of it."""
    checked = subprocess.run(  # noqa: S603 - our own documentation
        ["/bin/bash", "-n", "-c", command], capture_output=True, text=True, check=False
    )
    return not checked.returncode and not checked.stderr and not command.endswith("\\")


def shown(section: str) -> "list[str]":
    """The lines of a section's block without commands: what something prints that runs already."""
    return next(block for block in _BLOCK.findall(SECTIONS[section]) if "$ " not in block).splitlines()


def shape(line: str) -> str:
    """A line without what differs from run to run."""
    return " ".join(re.sub(r"\d[\d.:+-]*|doc_\w+|evt_\w+|@\S+|\b(s|min|h|d)\b", "", line).split())


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    with ExitStack() as opened:
        for command, _ in commands("2"):
            reader.type(command)
        simulator, up, receiver = [reader.start(command, opened) for command, _ in commands("3")]
        wait_until(lambda: simulator.lines)
        wait_until(lambda: receiver.lines)
        reader.type("until curl --silent --fail http://127.0.0.1:8080/readyz; do sleep 0.2; done")

        (buy, bought), (submit, submitted) = commands("4")
        assert reader.type(buy) == bought[0]
        assert reader.type(submit).startswith(submitted[0].partition('"account"')[0])

        ((order, polled),) = commands("5")
        wait_until(lambda: reader.type(order).count("not ready") >= 2)
        attempts = {shape(line) for line in polled if "not ready" in line}
        assert attempts <= {shape(line) for line in reader.type(order).splitlines()}

        wait_until(lambda: len(receiver.lines) > len(shown("6")), 5 * STALL)
        assert receiver.lines[1:] == shown("6")
        (delivered, told), (follow, followed) = commands("6")
        wait_until(lambda: {*map(shape, told[1:])} <= {*map(shape, reader.type(delivered).splitlines())})
        feed = reader.start(follow, opened)
        wait_until(lambda: [*map(shape, feed.lines)] == [*map(shape, followed)])

        (buy, _), (submit, submitted), (send, sent) = commands("7")
        reader.type(buy)
        printed = reader.type(submit).splitlines()
        assert [shape(printed[0]), *map(shape, printed[-2:])] == [shape(each) for each in submitted if each != "..."]
        assert reader.type(send).splitlines() == sent
        wait_until(lambda: "cart-43" in reader.type("willcall orders"))

        (listing, _), *_ = commands("8")
        reader.type(listing)

        (new, _), (add, _), (reload, processes), (restart, _), (remove, _), (again, _), (redeliver, said) = commands(
            "9"
        )
        for command in (new, add):
            reader.type(command)
        assert {shape(line) for line in processes} <= {shape(line) for line in reader.type(reload).splitlines()}
        receiver.stop()
        receiver = reader.start(restart, opened)
        wait_until(lambda: receiver.lines)
        for command in (remove, again):
            reader.type(command)
        assert shape(reader.type(redeliver)) == shape(said[0])
        wait_until(lambda: receiver.lines[1:] == shown("6")[1:])
        up.stop()
