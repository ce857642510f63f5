"""A local deployment in child processes, for the demo, the tests and the bench.

It has Redis, the five simulated providers, and any number of workers, beats and APIs. Each process can be killed and
started again.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, Self, cast
from urllib.request import ProxyHandler, build_opener

from celery import Celery

from willcall.config import load
from willcall.config.environment import FILE_VARIABLE, PREFIX
from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.embedded_redis import EmbeddedRedis, free_port
from willcall.simulator.account_tables import account_tables, to_toml
from willcall.simulator.client import SimulatorClient
from willcall.simulator.launch import SimulatorProcess
from willcall.simulator.providers import REGISTRY
from willcall.simulator.script import ProviderName, Script
from willcall.usecases.context import Context
from workers.app import create_app

#: Seconds that a process gets to stop.
STOP_TIMEOUT = 30.0
#: Seconds that processes get to start.
START_TIMEOUT = 60.0
#: Sends a request to a process of this machine, which no proxy of the environment reaches.
open_url = build_opener(ProxyHandler({})).open
#: The user and password of Flower.
FLOWER_LOGIN = ("operator", "flower-password")
#: The providers that send pushes.
PUSHING = frozenset({"tiqets", "tixstock"})


def webhook_token(account_key: str) -> str:
    """Return the webhook token of an account."""
    return f"{account_key.replace('/', '-')}-webhook-token"


class StartError(Exception):
    """A process ended or did not respond in time. The message is the end of its log."""


class ChildProcess(Protocol):
    """The part of `subprocess.Popen` that a deployment needs of a process."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or `None` while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal, unless it has ended."""

    def terminate(self) -> None:
        """Stop it."""

    def kill(self) -> None:
        """Kill it, as a crash would."""


#: Starts `willcall <command>` with an environment, in a folder, and appends its output to a file.
Launcher = Callable[[Sequence[str], Mapping[str, str], Path, Path], ChildProcess]


def launch_process(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> ChildProcess:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "willcall.cli", *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


class LocalDeployment:
    """A context manager. Redis and the providers run inside the block, workers and beats once they are started."""

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
        """Describe the deployment.

        Args:
            folder: for the configuration, logs and data.
            script: of the simulator.
            accounts: the accounts to configure, `<provider>/<account>`, with tables that override the simulator's.
            callbacks: whether providers send pushes, and callbacks are signed with the receiver's secret.
            launch: starts processes.
            simulator: runs the providers.
            settings: further keys and tables of the configuration.
        """
        self.folder = folder
        self.redis = EmbeddedRedis(folder / "redis")
        self._simulator = simulator(script)
        self._accounts = accounts
        self._callbacks = callbacks
        self._launch = launch
        self._settings = settings
        #: The ports of the API and Flower, once they are started.
        self.api_port = free_port()
        self.flower_port = free_port()
        self._processes: list[ChildProcess] = []
        self._app: Celery | None = None
        self._api: ChildProcess | None = None

    def __enter__(self) -> Self:
        with ExitStack() as started:
            self.redis.start()
            started.callback(self.redis.stop)
            started.enter_context(self._simulator)
            (self.folder / "willcall.toml").write_text(self._config(), encoding="utf-8")
            for key in self._pushing:
                provider, _, name = key.partition("/")
                url = f"{self.api_url}/webhooks/{key}/{webhook_token(key)}"
                self.providers.update_account(provider, name, webhook_url=url)
            started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            self._end(process)
        self._simulator.stop()
        if self._app:
            self._app.close()
        self.redis.stop()

    @property
    def providers(self) -> SimulatorClient:
        return self._simulator.client

    @property
    def app(self) -> Celery:
        """The Celery app of this process, with the deployment's configuration."""
        if self._app is None:
            self._app = create_app(load(self.environment))
        return self._app

    @property
    def context(self) -> Context:
        """The context that use cases get."""
        context: Context = self.app.willcall
        return context

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the deployment's processes."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        own = {FILE_VARIABLE: str(self.folder / "willcall.toml"), f"{PREFIX}API__PUBLIC_URL": self.api_url}
        return inherited | own

    def start(self, *command: str, **environment: str) -> ChildProcess:
        """Start `willcall <command>`; its output goes to `<first word>.log` in the folder."""
        log = self.folder / f"{command[0]}.log"
        process = self._launch(command, self.environment | environment, Path(__file__).parents[2], log)
        self._processes.append(process)
        return process

    def wait_for_workers(self, count: int) -> None:
        """Wait until `count` workers respond. Raises StartError with the end of their log."""
        deadline, patience = time.monotonic() + START_TIMEOUT, 0.5
        while time.monotonic() < deadline:
            if len(self.app.control.ping(timeout=patience, limit=count)) >= count:
                return
            patience *= 1.5  # a busy machine responds later
        raise StartError((self.folder / "worker.log").read_text(encoding="utf-8")[-2_000:])

    @property
    def api_url(self) -> str:
        """The address of the API, once it is started."""
        return f"http://127.0.0.1:{self.api_port}"

    def start_api(self) -> ChildProcess:
        """Start the API; `wait_for_api` waits until it responds."""
        self._api = self.start("api", "--port", str(self.api_port))
        return self._api

    def wait_for_api(self) -> None:
        """Wait until the API and all that it needs respond. Raises StartError with the end of its log."""
        self._wait_for(f"{self.api_url}/readyz", self._api, "api.log")

    @property
    def flower_url(self) -> str:
        """The address of Flower, once it is started."""
        return f"http://127.0.0.1:{self.flower_port}"

    def start_flower(self) -> ChildProcess:
        """Start Flower with `FLOWER_LOGIN`, and wait until it responds. Raises StartError."""
        process = self.start("flower", "--port", str(self.flower_port), FLOWER_BASIC_AUTH=":".join(FLOWER_LOGIN))
        self._wait_for(f"{self.flower_url}/healthcheck", process, "flower.log")
        return process

    def _wait_for(self, url: str, process: ChildProcess | None, log: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and (process is None or process.poll() is None):
            with suppress(OSError), open_url(url, timeout=5):
                return
            time.sleep(0.05)
        raise StartError((self.folder / log).read_text(encoding="utf-8")[-2_000:])

    def kill(self, process: ChildProcess) -> None:
        process.kill()
        process.wait()
        self._processes.remove(process)

    def _end(self, process: ChildProcess) -> None:
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def _pushing(self) -> list[str]:
        return [key for key in self._accounts if self._callbacks and key.partition("/")[0] in PUSHING]

    def _config(self) -> str:
        known = account_tables(self._simulator.url)
        providers: dict[str, dict[str, Any]] = {}
        for key, tables in self._accounts.items():
            provider, _, name = key.partition("/")
            token = {"webhook_token": webhook_token(key)} if key in self._pushing else {}
            own = REGISTRY[cast("ProviderName", provider)].default_credentials(name)
            further = {field: own.get(field, value) for field, value in known[provider]["default"].items()}
            providers.setdefault(provider, {})[name] = {**known[provider].get(name, further), **token, **tables}
        config: dict[str, Any] = {
            "redis_url": self.redis.url,
            "documents_url": f"file://{self.folder}/documents",
            "outbound": {"allow": ["127.0.0.0/8"]},  # the providers' documents are on this machine too
        }
        if self._callbacks:
            config["notify"] = {"secret": SECRET}
        return to_toml({**config, **self._settings, "providers": providers})
