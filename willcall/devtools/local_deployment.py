"""Everything that Willcall needs, in child processes on this machine: for the demo, the tests and the bench.

Redis, the five providers, any number of workers, beats and APIs. Each child can be killed and started again.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.request import urlopen

from celery import Celery

from willcall.config import load
from willcall.config.environment import FILE_VARIABLE, PREFIX
from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.simulator.account_tables import account_tables, to_toml
from willcall.simulator.client import SimulatorClient
from willcall.simulator.launch import SimulatorProcess
from willcall.simulator.script import Script
from willcall.usecases.context import Context
from workers.app import create_app

#: Seconds that a child gets to finish what it is doing.
STOP_TIMEOUT = 30.0
#: Seconds that children get to start.
START_TIMEOUT = 60.0
#: Who may see Flower: its name and password.
FLOWER_LOGIN = ("operator", "flower-password")
#: Providers that call back, and the end of their accounts' webhook addresses.
WEBHOOK_TOKENS = {"tiqets": "tiqets-webhook-token", "tixstock": "tixstock-webhook-token"}


class ChildProcess(Protocol):
    """A process that a deployment has started: the part of `subprocess.Popen` that is needed of it."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended. Raises subprocess.TimeoutExpired after that many seconds."""

    def send_signal(self, sig: int, /) -> None:
        """Send it a signal, unless it has ended."""

    def terminate(self) -> None:
        """Tell it to stop."""

    def kill(self) -> None:
        """End it as a crash would."""


#: Starts `willcall <command>` with an environment, in a folder, its output appended to a file.
Launcher = Callable[[Sequence[str], Mapping[str, str], Path, Path], ChildProcess]


def launch_process(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> ChildProcess:
    """Start `willcall <command>` with Python of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "willcall.cli", *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


class LocalDeployment:
    """Use as a context manager: Redis and the providers run for the block, workers and beats when started."""

    def __init__(
        self,
        folder: Path,
        script: Script,
        accounts: Mapping[str, Mapping[str, Any]],
        *,
        callbacks: bool = False,
        launch: Launcher = launch_process,
        simulator: type[SimulatorProcess] = SimulatorProcess,
        **settings: Any,
    ) -> None:
        """`accounts`: `<provider>/<account>` -> tables laid over the simulator's (rate, polling, ...).

        Only the accounts named are configured. `settings` are further keys and tables of the config. With `callbacks`
        the providers that can call back do so, and callbacks are signed with the receiver's secret. `launch`
        starts the children, `simulator` the providers.
        """
        self.folder = folder
        self.redis = EmbeddedRedis(folder / "redis")
        self._simulator = simulator(script)
        self._accounts = accounts
        self._callbacks = callbacks
        self._launch = launch
        self._settings = settings
        #: Where the API and Flower listen, once they are started.
        self.api_port = free_port()
        self.flower_port = free_port()
        self._children: list[ChildProcess] = []
        self._app: Celery | None = None

    def __enter__(self) -> Self:
        self.redis.start()
        self._simulator.__enter__()
        (self.folder / "willcall.toml").write_text(self._config(), encoding="utf-8")
        for key in self._calling:
            provider, _, name = key.partition("/")
            url = f"{self.api_url}/webhooks/{key}/{WEBHOOK_TOKENS[provider]}"
            self.providers.update_account(provider, name, webhook_url=url)
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.send_signal(signal.SIGTERM)
        for child in self._children:
            self._end(child)
        self._simulator.stop()
        if self._app:
            self._app.close()
        self.redis.stop()

    @property
    def providers(self) -> SimulatorClient:
        """The simulator's control."""
        return self._simulator.client

    @property
    def app(self) -> Celery:
        """The application of this process, over the deployment's configuration."""
        if self._app is None:
            self._app = create_app(load(self.environment))
        return self._app

    @property
    def context(self) -> Context:
        """What use cases are given."""
        context: Context = self.app.willcall
        return context

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that belongs to the deployment."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return inherited | {FILE_VARIABLE: str(self.folder / "willcall.toml")}

    def start(self, *command: str, **environment: str) -> ChildProcess:
        """Start `willcall <command>` as a child; its output goes to `<first word>.log` in the folder."""
        log = self.folder / f"{command[0]}.log"
        child = self._launch(command, self.environment | environment, Path(__file__).parents[2], log)
        self._children.append(child)
        return child

    def wait_for_workers(self, count: int) -> None:
        """Wait until `count` workers answer. Raises TimeoutError, with what the workers logged."""
        deadline, patience = time.monotonic() + START_TIMEOUT, 0.5
        while time.monotonic() < deadline:
            if len(self.app.control.ping(timeout=patience, limit=count)) >= count:
                return
            patience *= 1.5  # a busy machine answers later
        raise TimeoutError((self.folder / "worker.log").read_text(encoding="utf-8")[-2_000:])

    @property
    def api_url(self) -> str:
        """Where the API is, once it is started."""
        return f"http://127.0.0.1:{self.api_port}"

    def start_api(self) -> ChildProcess:
        """Start the API; `wait_for_api` says when it answers."""
        return self.start("api", "--port", str(self.api_port))

    def wait_for_api(self) -> None:
        """Wait until the API and all that it needs answers. Raises TimeoutError, with what it logged."""
        self._wait_for(f"{self.api_url}/readyz", "api.log")

    @property
    def flower_url(self) -> str:
        """Where Flower is, once it is started."""
        return f"http://127.0.0.1:{self.flower_port}"

    def start_flower(self) -> ChildProcess:
        """Start Flower, which asks for `FLOWER_LOGIN`; come back when it answers. Raises TimeoutError."""
        child = self.start("flower", "--port", str(self.flower_port), FLOWER_BASIC_AUTH=":".join(FLOWER_LOGIN))
        self._wait_for(f"{self.flower_url}/healthcheck", "flower.log")
        return child

    def _wait_for(self, url: str, log: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(OSError), urlopen(url, timeout=5):  # noqa: S310 - our own
                return
            time.sleep(0.05)
        raise TimeoutError((self.folder / log).read_text(encoding="utf-8")[-2_000:])

    def kill(self, child: ChildProcess) -> None:
        """End a child as a crash would."""
        child.kill()
        child.wait()
        self._children.remove(child)

    def _end(self, child: ChildProcess) -> None:
        try:
            child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    @property
    def _calling(self) -> list[str]:
        """The accounts whose provider calls back."""
        return [key for key in self._accounts if self._callbacks and key.partition("/")[0] in WEBHOOK_TOKENS]

    def _config(self) -> str:
        known = account_tables(self._simulator.url)
        providers: dict[str, dict[str, Any]] = {}
        for key, tables in self._accounts.items():
            provider, _, name = key.partition("/")
            token = {"webhook_token": WEBHOOK_TOKENS[provider]} if key in self._calling else {}
            providers.setdefault(provider, {})[name] = {**known[provider][name], **token, **tables}
        ours: dict[str, Any] = {
            "redis_url": self.redis.url,
            "documents_url": f"file://{self.folder}/documents",
            "outbound": {"allow": ["127.0.0.0/8"]},  # the providers' documents are on this machine too
        }
        if self._callbacks:
            ours["notify"] = {"secret": SECRET}
        return to_toml({**ours, **self._settings, "providers": providers})
