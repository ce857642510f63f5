"""SIGHUP reloads; it ends only a process whose terminal was closed."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from willcall.runtime import hangup

#: Reports each reload, until it is ended. With `terminal`, its standard input is the terminal of a session of its own.
SCRIPT = """
import os, signal, sys
from willcall.runtime import hangup
if "terminal" in sys.argv:
    os.close(os.open(os.ttyname(0), os.O_RDWR))
# The tests themselves may run under nohup.
signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
if "late" in sys.argv:
    print("starting", flush=True)
    sys.stdin.readline()
hangup.handle(lambda: print("reload", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


class Process:
    """A process that runs the script."""

    def __init__(self, stack: ExitStack, *given: str) -> None:
        self.terminal, inner = pty.openpty()
        self.process = stack.enter_context(
            subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-c", SCRIPT, *given],
                stdin=inner if "terminal" in given else subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        stack.callback(self.process.kill)
        os.close(inner)

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def close_terminal(self) -> None:
        os.close(self.terminal)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_process_without_a_terminal_reloads(stack: ExitStack) -> None:
    process = Process(stack)
    assert process.says() == "ready"
    for _ in range(3):
        process.hang_up()
        assert process.says() == "reload"


def test_a_process_in_a_terminal_reloads_until_the_terminal_is_closed(stack: ExitStack) -> None:
    process = Process(stack, "terminal")
    assert process.says() == "ready"
    process.hang_up()
    assert process.says() == "reload"
    process.close_terminal()
    assert process.process.wait(60) == -signal.SIGTERM


def test_nohup_keeps_a_process_running_without_its_terminal(stack: ExitStack) -> None:
    process = Process(stack, "terminal", "nohup")
    assert process.says() == "ready"
    process.close_terminal()
    assert process.says() == "reload"
    process.hang_up()
    assert process.says() == "reload"
    assert process.process.poll() is None


def test_a_process_that_is_starting_reloads_once_it_can(stack: ExitStack) -> None:
    with hangup.blocked():
        process = Process(stack, "late")
        process.hang_up()
    assert process.says() == "starting"
    process.hang_up()
    assert process.process.stdin is not None
    process.process.stdin.write("continue\n")
    process.process.stdin.flush()
    assert process.says() == "reload"
    assert process.says() == "ready"
