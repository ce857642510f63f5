"""Those who compete. Each has a Redis and a simulated provider of its own, and a worker on the measured core."""

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

from bench.performance import cores, plain
from bench.performance.orders import LONG, batches, order_id, payloads, reference
from willcall.devtools.local_deployment import ChildProcess, LocalDeployment
from willcall.simulator.script import OrderScript, Script, SlowFault
from willcall.usecases.submit import submit, submit_many

if TYPE_CHECKING:
    from willcall.providers.tiqets.adapter import TiqetsCredentials

ACCOUNT = "tiqets/default"
#: More than any contestant can do, so that the rate never holds one up.
RATE = {"limit": 100_000, "period": 1, "burst": 100_000}


@dataclass(frozen=True, slots=True)
class Load:
    """What all contestants are given.

    `orders`: how many the provider knows, and never has tickets for; `threads` of the worker; seconds until the
    provider answers (`latency`), and until the next poll (`countdown`).
    """

    orders: int
    threads: int
    latency: float
    countdown: float = 1.0

    @property
    def script(self) -> Script:
        """What the provider is told."""
        slow = (SlowFault(do="hang", seconds=self.latency, times=None),) if self.latency else ()
        numbers = range(self.orders)
        orders = [
            OrderScript(provider="tiqets", reference=reference(number), ends="never", answers=slow)
            for number in numbers
        ]
        return Script(orders=tuple(orders))

    @property
    def polling(self) -> Mapping[str, object]:
        """Willcall's settings: instant orders come back after the countdown, delayed ones only wait."""
        countdown = {"initial": self.countdown, "factor": 1, "cap": self.countdown, "minimum": self.countdown / 2}
        return countdown | {"interval": [LONG, LONG]}


def wait_until(holds: Callable[[], bool], what: str, longest: float = 60.0) -> None:
    """Wait for something, `longest` seconds. Raises TimeoutError, which says `what` did not happen."""
    deadline = time.monotonic() + longest
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {longest:.0f} s: {what}")
        time.sleep(0.1)


class Contestant(ABC):
    """One who polls; a context manager that starts all but the worker."""

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
        """Start a worker; it is idle where no orders are handed in."""
        with cores.measured_core():
            self._workers.append(self.launch())
        return psutil.Process(self._workers[-1].pid)

    def kill(self, worker: ChildProcess | None = None) -> None:
        """End a worker, the only one unless given, as a crash would."""
        worker = worker or self._workers[0]
        worker.kill()
        worker.wait()
        self._workers.remove(worker)

    def asked(self) -> int:
        """How many requests the provider has had."""
        return sum(order["requests"] for order in self.deployment.providers.orders())

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the baseline's processes."""
        credentials = cast("TiqetsCredentials", self.deployment.context.accounts[ACCOUNT].credentials)
        orders, key = f"{credentials.base_url}/orders", credentials.api_key.get_secret_value()
        return plain.environment(self.deployment.redis.url, orders, key, self.load.countdown)


class Poller(Contestant):
    """A contestant who takes orders and comes back to each."""

    @abstractmethod
    def hand_in(self, numbers: range, countdown: tuple[float, float] = (0.0, 0.0), *, batch: bool = True) -> float:
        """Hand in orders that are due evenly between two countdowns; the seconds that it took."""

    @abstractmethod
    def attempts(self, number: int) -> list[tuple[float, float]]:
        """When each attempt at an order began (epoch seconds), and by how many seconds that was late."""

    @abstractmethod
    def due(self, number: int) -> float:
        """When an order is to be polled next, epoch seconds."""


class Willcall(Poller):
    """Willcall's own worker with the whole chain: claim, ask, decide, settle, reschedule."""

    name = "Willcall"

    def launch(self) -> ChildProcess:
        """`willcall worker`."""
        return self.deployment.start("worker", "--concurrency", str(self.load.threads))

    def kill(self, worker: ChildProcess | None = None) -> None:
        """End a worker; the deployment forgets it, too."""
        worker = worker or self._workers[0]
        self.deployment.kill(worker)
        self._workers.remove(worker)

    def hand_in(self, numbers: range, countdown: tuple[float, float] = (0.0, 0.0), *, batch: bool = True) -> float:
        """By the use cases that stand behind the command line."""
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
        """From the order's timeline."""
        timeline = self.deployment.context.stores.orders.timeline(order_id(number))
        return [(attempt.at, attempt.late) for attempt in timeline]

    def due(self, number: int) -> float:
        """As the order itself says."""
        order = self.deployment.context.stores.orders.get(order_id(number))
        return order.next_poll_at or 0.0 if order else 0.0


class PlainCelery(Poller):
    """The baseline, see `plain`."""

    name = "plain Celery"

    def launch(self) -> ChildProcess:
        """A Celery worker."""
        options = [*plain.WORKER, f"--concurrency={self.load.threads}"]
        command = [sys.executable, "-m", "celery", "--quiet", "-A", plain.__name__, "worker", *options]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)  # noqa: S603 - ours

    def hand_in(self, numbers: range, countdown: tuple[float, float] = (0.0, 0.0), *, batch: bool = True) -> float:
        """In a process of its own, because Willcall's transport is at home in this one."""
        options = {"first": numbers.start, "count": len(numbers), "from": countdown[0], "to": countdown[1]}
        given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "bench.performance.plain_orders", *given, *(["--batch"] if batch else [])]
        printed = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, check=True)  # noqa: S603 - ours
        return float(printed.stdout)

    def attempts(self, number: int) -> list[tuple[float, float]]:
        """From the order's hash."""
        fields = self.redis.hgetall(plain.state_key(order_id(number)))
        return sorted((float(name), float(late)) for name, late in fields.items() if name != "status")

    def due(self, number: int) -> float:
        """After the answer to the last attempt and the countdown."""
        attempts = self.attempts(number)
        return attempts[-1][0] + self.load.latency + self.load.countdown if attempts else 0.0


class PlainCeleryRetry(PlainCelery):
    """The baseline, coming back by `self.retry(countdown=...)`, which is how Celery's documentation does it."""

    name = "plain Celery, retry()"

    @property
    def environment(self) -> Mapping[str, str]:
        """The baseline's, told to retry."""
        return {**super().environment, plain.RETRY: "1"}


class BareLoop(Contestant):
    """Nothing but the requests, over and over: the limit."""

    name = "bare loop"

    def launch(self) -> ChildProcess:
        """The loop."""
        options = ["--threads", str(self.load.threads), "--orders", str(self.load.orders)]
        command = [sys.executable, "-m", "bench.performance.loop", *options]
        return subprocess.Popen(command, env=self.environment)  # noqa: S603 - ours
