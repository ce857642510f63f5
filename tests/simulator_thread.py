"""A simulator in a thread of the test process."""

import asyncio
import threading
import time
from typing import Self

from willcall.simulator.client import SimulatorClient
from willcall.simulator.launch import LOOPBACK
from willcall.simulator.script import Script
from willcall.simulator.server import listening
from willcall.simulator.state import Clock, SimulatorState


class SimulatorThread:
    """A context manager that runs a simulator in a thread, with its own clock."""

    def __init__(self, script: Script | None = None, *, clock: Clock = time.time) -> None:
        self.state = SimulatorState(script or Script(), clock=clock)
        self.url = ""
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def client(self) -> SimulatorClient:
        return SimulatorClient(self.url)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with listening(self.state, LOOPBACK, 0) as port:
            self.url = f"http://{LOOPBACK}:{port}"
            self._listening.set()
            await self._stop.wait()
