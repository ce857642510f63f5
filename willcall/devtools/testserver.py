"""`willcall test-server`: everything on free ports, with simulated providers, for the tests of a backend."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import Any

from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.demo_deployment import demo_deployment, start_processes
from willcall.devtools.embedded_redis import RedisStartError
from willcall.devtools.forked_processes import FORKED
from willcall.devtools.local_deployment import LocalDeployment, StartError
from willcall.simulator.script import Script

#: Seconds between two checks for a stop.
CHECK_INTERVAL = 0.1
#: How often everything is started, if that fails.
ATTEMPTS = 2
PREFIX = "willcall-test-server-"


@dataclass(frozen=True, slots=True)
class RunningTestServer:
    """What the tests need to know."""

    url: str
    key: str
    webhook_secret: str
    simulator_url: str


@contextmanager
def running_test_server(ceiling: float) -> Iterator[RunningTestServer]:
    """Run everything inside the block, in a temporary folder. Orders expire after `ceiling` seconds."""
    key = token_urlsafe(24)
    settings = {"ceiling": ceiling, "api": {"keys": [key]}, "metrics": {"port": 0}}
    with ExitStack() as started:
        deployment = _start(started, settings)
        yield RunningTestServer(deployment.api_url, key, SECRET, deployment.providers.url)


def _start(started: ExitStack, settings: dict[str, Any], attempts: int = ATTEMPTS) -> LocalDeployment:
    """Start everything; again if that fails, as a free port may be taken before our process listens on it."""
    with ExitStack() as attempt:
        folder = attempt.enter_context(TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True))
        try:
            deployment = attempt.enter_context(demo_deployment(Path(folder), Script(), **settings, **FORKED))
            start_processes(deployment)
        except (StartError, RedisStartError):
            if attempts == 1:
                raise
        else:
            started.push(attempt.pop_all())
            return deployment
    return _start(started, settings, attempts - 1)


class StopRequest:
    """Interrupts the main thread once: at SIGINT, SIGTERM or SIGHUP, or when stdin ends."""

    def __init__(self) -> None:
        self.received = False

    def listen(self, *, until_eof: bool) -> None:
        """With `until_eof`, the process that started this one ends it by closing its stdin, or by dying."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt)
        if until_eof:
            threading.Thread(target=_interrupt_at_eof, daemon=True).start()

    def wait(self) -> None:
        """Wait for it. Polls, as an exception that is raised while Python destroys an object is lost."""
        while not self.received:
            time.sleep(CHECK_INTERVAL)

    def _interrupt(self, *_: object) -> None:
        if not self.received:
            self.received = True
            raise KeyboardInterrupt


def _interrupt_at_eof() -> None:
    while os.read(sys.stdin.fileno(), 1024):  # not its buffer, whose lock a thread must not hold at the exit
        pass
    os.kill(os.getpid(), signal.SIGINT)
