"""Processes of `willcall` forked from a server that has imported everything: a start costs a tenth of the CPU.

Each is a real process with its own pid, environment, working directory and output, and `kill -9` ends it. The test
server and the tests start theirs so.
"""

import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from willcall.simulator.launch import LOOPBACK, SimulatorProcess, run_simulator
from willcall.simulator.script import Script

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        *(f"workers.processes.{name}" for name in ("api", "beat", "flower", "worker")),
        *("celery.apps.beat", "celery.apps.worker", "celery.bin.celery"),  # Celery imports these when it starts
        *("willcall.cli.__main__", "willcall.simulator.launch", __name__),
    ]
)


class Forked:
    """A forked process, with those methods of `subprocess.Popen` that a deployment needs."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        # Daemonic: if the tests end without ending it, it ends with them.
        given = (list(command), dict(environment), folder, log)
        self._process = _SERVER.Process(target=_become, args=given, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended just now
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _become(command: list[str], environment: dict[str, str], folder: Path, log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    sys.argv[:] = ["willcall", *command]
    runpy.run_module("willcall.cli", run_name="__main__")  # as `python -m willcall.cli`


class ForkedSimulator(SimulatorProcess):
    """A simulator in a forked process."""

    def __enter__(self) -> Self:
        said, says = _SERVER.Pipe(duplex=False)
        given = (self._script, self._port, self._ledger, says)
        self._forked = _SERVER.Process(target=_simulate, args=given, daemon=True)
        self._forked.start()
        says.close()  # so that the end of the process is the end of what it says
        with said, open(said.fileno(), closefd=False) as lines:
            line = lines.readline()
        if not line:
            raise RuntimeError("the simulator did not start; its reason is on stderr")
        self.url = json.loads(line)["url"]
        return self

    def stop(self) -> None:
        self._forked.terminate()
        self._forked.join()


def _simulate(script: Script, port: int, ledger: Path | None, says: Connection) -> None:
    sys.stdout = os.fdopen(os.dup(says.fileno()), "w")
    run_simulator(LOOPBACK, port, script, ledger=ledger)


#: What makes all processes of a deployment forked ones.
FORKED: dict[str, Any] = {"launch": Forked, "simulator": ForkedSimulator}
