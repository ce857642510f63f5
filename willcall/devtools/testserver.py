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
from willcall.devtools.demo_deployment import start_processes
from willcall.devtools.embedded_redis import RedisStartError
from willcall.devtools.forked_processes import FORKED
from willcall.devtools.local_deployment import LocalDeployment, StartError
from willcall.simulator.demo_script import RATES
from willcall.simulator.script import PROVIDERS, AccountScript, Script

#: Seconds between two checks for a stop.
CHECK_INTERVAL = 0.1
#: How often everything is started, if that fails.
ATTEMPTS = 2
PREFIX = "willcall-test-server-"
#: The account at each provider whose orders expire after so many seconds.
EXPIRING, EXPIRY = "expiring", 1.0
#: Requests per second of each account.
LIMIT = 20
#: Orders come to what a test wants within seconds; the providers' minimum intervals and hints still apply.
POLLING = {"initial": 0.2, "cap": 2, "minimum": 0.1, "interval": [1, 2], "missing_grace": 1}
HEALTH = {"probe": [1, 2], "throttle_pause": 1}
SWEEPS = {"polls": 1, "expire": 1, "reconcile": 1, "grace": 5}


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
    settings = {"api": {"keys": [key]}, "metrics": {"port": 0}, "sweeps": SWEEPS}
    with ExitStack() as started:
        deployment = _start(started, ceiling, settings)
        yield RunningTestServer(deployment.api_url, key, SECRET, deployment.providers.url)


def _start(started: ExitStack, ceiling: float, settings: dict[str, Any], attempts: int = ATTEMPTS) -> LocalDeployment:
    """Start everything; again if that fails, as a free port may be taken before our process listens on it."""
    with ExitStack() as attempt:
        folder = attempt.enter_context(TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True))
        try:
            deployment = attempt.enter_context(_deployment(Path(folder), ceiling, settings))
            start_processes(deployment)
        except (StartError, RedisStartError):
            if attempts == 1:
                raise
        else:
            started.push(attempt.pop_all())
            return deployment
    return _start(started, ceiling, settings, attempts - 1)


def _deployment(folder: Path, ceiling: float, settings: dict[str, Any]) -> LocalDeployment:
    """Return the deployment: the demo's accounts, and at each provider one whose orders expire at once."""
    expiring = [(provider, EXPIRING) for provider in PROVIDERS]
    accounts = {
        f"{provider}/{name}": {
            "rate": {"limit": LIMIT, "period": 1, "burst": LIMIT},
            "polling": {**POLLING, "ceiling": EXPIRY if name == EXPIRING else ceiling},
            "health": HEALTH,
        }
        for provider, name in (*RATES, *expiring)
    }
    accounts_there = tuple(AccountScript(provider=provider, name=name) for provider, name in expiring)
    script = Script(accounts=accounts_there, push_minute=1)
    return LocalDeployment(folder, script, accounts, callbacks=True, **settings, **FORKED)


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
