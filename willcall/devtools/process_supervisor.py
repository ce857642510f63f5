"""Child processes that run and stop together, with their output on one stream."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from typing import TextIO

from willcall.runtime import hangup

#: Seconds that processes get to stop before they are killed.
STOP_TIMEOUT = 5.0

_COLOURS = cycle((36, 33, 32, 35))
_SYSTEM_COLOUR = 37


class ProcessSupervisor:
    """Starts processes and prints each line of their output behind a time and the process's name."""

    def __init__(self, output: TextIO) -> None:
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._output = output
        self._lock = threading.Lock()
        self._readers: list[threading.Thread] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process in a session of its own, so that a Ctrl-C reaches it only through `stop`."""
        with hangup.blocked():  # until the process handles it
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        self.processes[name] = process
        self.print(f"{name} started (pid={process.pid})")
        reader = threading.Thread(target=self._copy_output, args=(name, process, next(_COLOURS)), daemon=True)
        reader.start()
        self._readers.append(reader)

    @property
    def ended(self) -> list[str]:
        """The names of the processes that have ended."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def reload(self) -> None:
        """Have all processes take their configuration anew. A signal handler may call it."""
        for process in list(self.processes.values()):
            process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Stop all processes, and kill those that do not stop in time."""
        running = [process for process in self.processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(1.0)

    def print(self, line: str, name: str = "system", colour: int = _SYSTEM_COLOUR) -> None:
        """Print a line, unless the output was closed."""
        prefix = f"{time.strftime('%H:%M:%S')} {name:<7}| "
        if self._output.isatty():
            prefix = f"\033[{colour}m{prefix}\033[0m"
        with self._lock, suppress(OSError):
            self._output.write(f"{prefix}{line}\n")
            self._output.flush()

    def _copy_output(self, name: str, process: subprocess.Popen[str], colour: int) -> None:
        for line in process.stdout or ():
            self.print(line.rstrip("\n"), name, colour)
        self.print(f"{name} stopped (rc={process.wait()})")


def willcall_command(*arguments: str) -> list[str]:
    """Return a `willcall` command. `-P` keeps the current folder's modules from being imported."""
    return [sys.executable, "-P", "-m", "willcall.cli", *arguments]
