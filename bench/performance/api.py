"""`python -m bench.performance.api`: orders and webhooks a second over HTTP, and the API's CPU for each.

The API runs on the measured core; its callers, Redis and the simulator on the other.
"""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.performance import calls, cores
from bench.performance.calls import Call
from bench.performance.contestants import wait_until
from bench.performance.orders import LONG, order_id, reference
from bench.performance.results import Window
from bench.performance.speed import cpu
from bench.performance.statistics import median, ratios
from willcall.devtools.embedded_redis import free_port
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import Status
from willcall.simulator.script import PushScript, Script
from willcall.usecases.submit import submit_many

#: What is measured, as it is called on the page.
ONE_BY_ONE, BARE, BATCH = "orders one by one", "orders one by one, bare FastAPI", "orders in batches of 1,000"
TIXSTOCK, TIQETS = "Tixstock webhooks", "Tiqets notifications"

#: Calls before the first window: threads and connections are there.
WARM_UP = 200
_ACCOUNTS: Mapping[str, Mapping[str, object]] = {"tiqets/default": {}, "tixstock/default": {}}
_WAIT = (LONG, LONG)


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on this machine."""

    process: psutil.Process
    port: int

    def window(self, given: Sequence[Call], count: int) -> Window:
        """What the calls come to, which hold `count` orders or webhooks."""
        start, used = time.monotonic(), cpu(self.process)
        calls.send(self.port, given)
        return Window(count, time.monotonic() - start, cpu(self.process) - used)


def measure(rounds: int, singles: int, batched: int, pushed: int) -> Mapping[str, list[Window]]:
    """Windows by what is measured; all take turns. `pushed`: webhooks of each kind in a round, at most `singles`."""
    windows: dict[str, list[Window]] = {name: [] for name in (ONE_BY_ONE, BARE, BATCH, TIXSTOCK, TIQETS)}
    with TemporaryDirectory(prefix="willcall-bench-") as folder, _stage(Path(folder)) as (deployment, ours, bare):
        for server in (ours, bare):
            calls.send(server.port, calls.one_by_one(range(WARM_UP), _WAIT))
        first = WARM_UP
        for _ in range(rounds):
            alone, rest = range(first, first + singles), range(first + singles, first + singles + batched)
            pushes = alone[:pushed]
            _expect_pushes(deployment, pushes)
            orders = calls.one_by_one(alone, _WAIT)
            windows[ONE_BY_ONE].append(ours.window(orders, singles))
            windows[BARE].append(bare.window(orders, singles))
            windows[BATCH].append(ours.window(calls.batched(rest, _WAIT), batched))
            eticket = PushScript(kind="eticket", size=calls.PDF)
            windows[TIXSTOCK].append(ours.window(calls.webhooks("tixstock", pushes, eticket), pushed))
            notification = PushScript(kind="notification")
            windows[TIQETS].append(ours.window(calls.webhooks("tiqets", pushes, notification), pushed))
            first = rest.stop
        _require(deployment, "tiqets/default", Status.PENDING, first)
        _require(deployment, "tixstock/default", Status.FULFILLED, rounds * pushed)
    return windows


@contextmanager
def _stage(folder: Path) -> Iterator[tuple[LocalDeployment, Server, Server]]:
    """Ours and the bare one, over one Redis."""
    with LocalDeployment(folder, Script(), _ACCOUNTS, callbacks=True) as deployment:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "bench.performance.bare_api",
            "--redis",
            deployment.redis.url,
            "--port",
            str(port),
        ]
        with cores.measured_core():
            ours = deployment.start_api()
            bare = subprocess.Popen(command)  # noqa: S603 - ours
        try:
            deployment.wait_for_api()
            wait_until(lambda: _listens(port), "the bare API listens")
            yield (
                deployment,
                Server(psutil.Process(ours.pid), deployment.api_port),
                Server(psutil.Process(bare.pid), port),
            )
        finally:
            bare.terminate()
            bare.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _expect_pushes(deployment: LocalDeployment, numbers: range) -> None:
    """Orders whose ticket Tixstock is going to push."""
    payloads = [
        {"id": f"tixstock-{order_id(number)}", "provider": "tixstock", "reference": reference(number), "quantity": 1}
        for number in numbers
    ]
    submit_many(deployment.context, payloads)


def _require(deployment: LocalDeployment, account: str, status: Status, count: int) -> None:
    """All that was sent is there. Raises RuntimeError."""
    found = deployment.context.stores.listing.counts(account)[status]
    if found != count:
        raise RuntimeError(f"{found} orders of {account} are {status}, {count} should be")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.api", description="The API's throughput.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--singles", type=int, default=1_000, help="orders one by one in a round (default: 1,000)")
    parser.add_argument("--batched", type=int, default=10_000, help="orders in batches in a round (default: 10,000)")
    parser.add_argument("--pushed", type=int, default=300, help="webhooks of each kind in a round (default: 300)")
    given = parser.parse_args()
    cores.confine()
    measured = measure(given.rounds, given.singles, given.batched, given.pushed)
    for name, windows in measured.items():
        costs = ", ".join(f"{each.cost:.2f}" for each in windows)
        rate, cost = median(each.rate for each in windows), median(each.cost for each in windows)
        sys.stdout.write(f"{name:32}{rate:6.0f}/s {cost:6.2f} ms CPU each ({costs})\n")
    ours, bare = ([each.cost for each in measured[name]] for name in (ONE_BY_ONE, BARE))
    sys.stdout.write(f"CPU per order, Willcall / bare FastAPI: {median(ratios(ours, bare)):.2f} x\n")


if __name__ == "__main__":
    main()
