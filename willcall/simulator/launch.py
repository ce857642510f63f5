"""Running a simulator: in the foreground, or as a child process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from willcall.simulator.client import SimulatorClient
from willcall.simulator.script import Script
from willcall.simulator.server import listening
from willcall.simulator.state import SimulatorState

LOOPBACK = "127.0.0.1"


def run_simulator(host: str, port: int, script: Script, *, ledger: Path | None = None) -> None:
    """Serve until SIGINT or SIGTERM. The first line on stdout is JSON: `{"host", "port", "url"}`.

    Raises:
        OSError: if the port is in use.
        simulator.state.ScriptError: if the script's orders do not fit its accounts.
    """
    asyncio.run(_run(SimulatorState(script, ledger=ledger), host, port))


async def _run(state: SimulatorState, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(state, host, port) as chosen:
        line = {"host": host, "port": chosen, "url": f"http://{host}:{chosen}"}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await stop.wait()


class SimulatorProcess:
    """A context manager that runs a simulator in a child process."""

    def __init__(self, script: Script | None = None, *, port: int = 0, ledger: Path | None = None) -> None:
        self._script = script or Script()
        self._port = port
        self._ledger = ledger
        self.url = ""

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="simulator-")
        file = Path(self._folder.name, "script.json")
        file.write_text(self._script.model_dump_json(), "utf-8")
        command = [sys.executable, "-m", "willcall.simulator", "--port", str(self._port), "--script", str(file)]
        if self._ledger:
            command += ["--ledger", str(self._ledger)]
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self.stop()
            raise RuntimeError("the simulator did not start; stderr says why")
        self.url = json.loads(line)["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def client(self) -> SimulatorClient:
        return SimulatorClient(self.url)

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.terminate()
        self.process.communicate()
        self._folder.cleanup()
