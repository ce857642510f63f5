"""The systems that are compared. Each has its own Redis and simulator, and a worker on the measured core."""

import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, Self, cast

import psutil
from redis import Redis

from bench.performance import plain_celery
from bench.performance.machine import measured_core
from bench.performance.orders import LONG, batches, order_id, payloads, reference
from willcall.devtools.local_deployment import ChildProcess, LocalDeployment
from willcall.simulator.script import OrderScript, Script, SlowFault
from willcall.usecases.submit import submit, submit_many

if TYPE_CHECKING:
    from willcall.providers.tiqets.adapter import TiqetsCredentials

ACCOUNT = "tiqets/default"
#: More than any system can do, so that the rate is no limit.
RATE = {"limit": 100_000, "period": 1, "burst": 100_000}


@dataclass(frozen=True, slots=True)
class Load:
    """The load for all systems.

    The provider knows `orders` orders and never issues their tickets. A worker has `threads` threads. `latency` is the
    seconds until the provider responds, `countdown` those until the next poll.
    """

    orders: int
    threads: int
    latency: float
    countdown: float = 1.0

    @property
    def script(self) -> Script:
        slow = (SlowFault(do="hang", seconds=self.latency, times=None),) if self.latency else ()
        numbers = range(self.orders)
        orders = [
            OrderScript(provider="tiqets", reference=reference(number), ends="never", answers=slow)
            for number in numbers
        ]
        return Script(orders=tuple(orders))

    @property
    def polling(self) -> Mapping[str, object]:
        """Willcall's polling settings: instant orders are polled after the countdown, delayed ones only wait."""
        countdown = {"initial": self.countdown, "factor": 1, "cap": self.countdown, "minimum": self.countdown / 2}
        return countdown | {"interval": [LONG, LONG]}


def wait_until(holds: Callable[[], bool], what: str, longest: float = 60.0) -> None:
    """Wait until a condition holds. Raises TimeoutError naming `what` after `longest` seconds."""
    deadline = time.monotonic() + longest
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {longest:.0f} s: {what}")
        time.sleep(0.1)


class MeasuredSystem(ABC):
    """A system that polls. As a context manager it starts everything but the worker."""

    name: ClassVar[str]

    def __init__(self, load: Load) -> None:
        self.load = load
        self._workers: list[ChildProcess] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="willcall-bench-")))
            accounts = {ACCOUNT: {"rate": RATE, "polling": self.load.polling}}
            self.deployment = stack.enter_context(LocalDeployment(folder, self.load.script, accounts))
            self.redis = stack.enter_context(Redis.from_url(self.deployment.redis.url, decode_responses=True))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._workers):
            self.kill(worker)
        self._open.close()

    @abstractmethod
    def launch(self) -> ChildProcess:
        """Start a worker on the measured core."""

    def start(self) -> psutil.Process:
        """Start a worker. It is idle unless orders are submitted."""
        with measured_core():
            self._workers.append(self.launch())
        return psutil.Process(self._workers[-1].pid)

    def kill(self, worker: ChildProcess | None = None) -> None:
        """Kill a worker, by default the only one."""
        worker = worker or self._workers[0]
        worker.kill()
        worker.wait()
        self._workers.remove(worker)

    def requests_received(self) -> int:
        return sum(order["requests"] for order in self.deployment.providers.orders())

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables of the baseline's processes."""
        credentials = cast("TiqetsCredentials", self.deployment.context.accounts[ACCOUNT].credentials)
        orders, key = f"{credentials.base_url}/orders", credentials.api_key.get_secret_value()
        return plain_celery.environment(self.deployment.redis.url, orders, key, self.load.countdown)


class PollingSystem(MeasuredSystem):
    """A system to which orders are submitted, and which reschedules each."""

    @abstractmethod
    def submit(self, numbers: range, countdown: tuple[float, float] = (0.0, 0.0), *, batch: bool = True) -> float:
        """Submit orders with evenly spread countdowns; return how many seconds that took."""

    @abstractmethod
    def attempts(self, number: int) -> list[tuple[float, float]]:
        """Return when each attempt began (epoch seconds) and how many seconds late it was."""

    @abstractmethod
    def next_due(self, number: int) -> float:
        """Return when the order is due next (epoch seconds)."""


class Willcall(PollingSystem):
    """Willcall's own worker with the whole poll chain."""

    name = "Willcall"

    def launch(self) -> ChildProcess:
        return self.deployment.start("worker", "--concurrency", str(self.load.threads))

    def kill(self, worker: ChildProcess | None = None) -> None:
        worker = worker or self._workers[0]
        self.deployment.kill(worker)
        self._workers.remove(worker)

    def submit(self, numbers: range, countdown: tuple[float, float] = (0.0, 0.0), *, batch: bool = True) -> float:
        context, given = self.deployment.context, payloads(numbers, countdown)
        context.stores.accounts.now()  # the connection is open
        started = time.perf_counter()
        if batch:
            for some in batches(given):
                submit_many(context, some)
        else:
            for each in given:
                submit(context, each)
        return time.perf_counter() - started

    def attempts(self, number: int) -> list[tuple[float, float]]:
        timeline = self.deployment.context.stores.orders.timeline(order_id(number))
        return [(attempt.at, attempt.late) for attempt in timeline]

    def next_due(self, number: int) -> float:
        order = self.deployment.context.stores.orders.get(order_id(number))
        return order.next_poll_at or 0.0 if order else 0.0


class PlainCelery(PollingSystem):
    """The baseline, see `plain_celery.py`."""

    name = "plain Celery"

    def launch(self) -> ChildProcess:
        options = [*plain_celery.WORKER, f"--concurrency={self.load.threads}"]
        command = [sys.executable, "-m", "celery", "--quiet", "-A", plain_celery.__name__, "worker", *options]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)

    def submit(self, numbers: range, countdown: tuple[float, float] = (0.0, 0.0), *, batch: bool = True) -> float:
        """Submit in another process, as this one has Willcall's transport installed."""
        options = {"first": numbers.start, "count": len(numbers), "from": countdown[0], "to": countdown[1]}
        given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "bench.performance.plain_celery", *given, *(["--batch"] if batch else [])]
        printed = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, check=True)
        return float(printed.stdout)

    def attempts(self, number: int) -> list[tuple[float, float]]:
        fields = self.redis.hgetall(plain_celery.state_key(order_id(number)))
        return sorted((float(name), float(late)) for name, late in fields.items() if name != "status")

    def next_due(self, number: int) -> float:
        attempts = self.attempts(number)
        return attempts[-1][0] + self.load.latency + self.load.countdown if attempts else 0.0


class PlainCeleryRetry(PlainCelery):
    """The baseline with `self.retry(countdown=...)`, as in Celery's documentation."""

    name = "plain Celery, retry()"

    @property
    def environment(self) -> Mapping[str, str]:
        return {**super().environment, plain_celery.RETRY: "1"}


class RequestLoop(MeasuredSystem):
    """Nothing but the requests: the upper limit."""

    name = "request loop"

    def launch(self) -> ChildProcess:
        options = ["--threads", str(self.load.threads), "--orders", str(self.load.orders)]
        command = [sys.executable, "-m", "bench.performance.request_loop", *options]
        return subprocess.Popen(command, env=self.environment)
