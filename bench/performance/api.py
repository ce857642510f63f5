"""`python -m bench.performance.api`: orders and webhooks per second over HTTP, and the API's CPU time for each.

The API runs on the measured core; its clients, Redis and the simulator on the other.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.performance.machine import measured_core, use_driver_core
from bench.performance.orders import LONG, batches, order_id, payloads, reference
from bench.performance.results import Window, median, ratios
from bench.performance.speed import cpu
from bench.performance.systems import wait_until
from willcall.devtools.embedded_redis import free_port
from willcall.devtools.local_deployment import LocalDeployment, webhook_token
from willcall.orders.model import Status
from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.base import OrderSnapshot
from willcall.simulator.script import OrderScript, ProviderName, PushScript, Script
from willcall.usecases.submit import submit_many

#: Concurrent clients, each a thread with a persistent connection.
CONNECTIONS = 8
#: Size of the PDF in a webhook, bytes.
PDF = 50_000
#: Seconds after which a call has failed.
TIMEOUT = 30.0

_JSON = {"Content-Type": "application/json"}
_REDIRECT = 300


#: What is measured, as named on the page.
ONE_BY_ONE, MINIMAL, BATCH = "orders one by one", "orders one by one, minimal FastAPI", "orders in batches of 1,000"
TIXSTOCK, TIQETS = "Tixstock webhooks", "Tiqets notifications"

#: Calls before the first window, which start all threads and connections.
WARM_UP = 200
_ACCOUNTS: Mapping[str, Mapping[str, object]] = {"tiqets/default": {}, "tixstock/default": {}}
_WAIT = (LONG, LONG)


@dataclass(frozen=True, slots=True)
class HttpCall:
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


def order_calls(numbers: range, between: tuple[float, float]) -> list[HttpCall]:
    """Return a call for each order."""
    return [HttpCall("/v1/orders", json.dumps(each).encode()) for each in payloads(numbers, between)]


def batch_calls(numbers: range, between: tuple[float, float]) -> list[HttpCall]:
    """Return a call for each batch of orders."""
    return [
        HttpCall("/v1/orders:batch", json.dumps({"orders": some}).encode())
        for some in batches(payloads(numbers, between))
    ]


def webhook_calls(provider: ProviderName, numbers: Iterable[int], script: PushScript) -> list[HttpCall]:
    """Return the webhook of each order, as the simulator makes and signs it."""
    simulated = REGISTRY[provider]
    credentials = simulated.default_credentials("default")
    path = f"/webhooks/{provider}/default/{webhook_token(f'{provider}/default')}"
    calls = []
    for number in numbers:
        order = OrderScript(provider=provider, reference=reference(number))
        view = OrderSnapshot(order, SimulatedStatus.ISSUED, known_at=0, now=0, origin="", secrets=[f"{number:032x}"])
        push = simulated.push(view, script, credentials)
        calls.append(HttpCall(path, push.body, push.headers))
    return calls


def send_calls(port: int, calls: Sequence[HttpCall], connections: int = CONNECTIONS) -> None:
    """Send all calls to this machine, shared among the clients. Raises RuntimeError for an error response."""
    with ThreadPoolExecutor(connections) as clients:
        shares = [calls[first::connections] for first in range(connections)]
        for client in [clients.submit(_send_share, port, share) for share in shares]:
            client.result()


def _send_share(port: int, calls: Sequence[HttpCall]) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        for call in calls:
            connection.request("POST", call.path, call.body, dict(call.headers))
            response = connection.getresponse()
            text = response.read()
            if response.status >= _REDIRECT:
                raise RuntimeError(f"{call.path.partition('/default/')[0]}: {response.status} {text[:200]!r}")


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """An API process on this machine."""

    process: psutil.Process
    port: int

    def measure(self, given: Sequence[HttpCall], count: int) -> Window:
        """Send calls that contain `count` orders or webhooks, and measure."""
        start, used = time.monotonic(), cpu(self.process)
        send_calls(self.port, given)
        return Window(count, time.monotonic() - start, cpu(self.process) - used)


def measure(rounds: int, singles: int, batched: int, pushed: int) -> Mapping[str, list[Window]]:
    """Measure the kinds of calls in turn, round by round; return the windows of each kind.

    `pushed` is the number of webhooks of each kind in a round, at most `singles`.
    """
    windows: dict[str, list[Window]] = {name: [] for name in (ONE_BY_ONE, MINIMAL, BATCH, TIXSTOCK, TIQETS)}
    with TemporaryDirectory(prefix="willcall-bench-") as folder, _servers(Path(folder)) as (deployment, ours, minimal):
        for server in (ours, minimal):
            send_calls(server.port, order_calls(range(WARM_UP), _WAIT))
        first = WARM_UP
        for _ in range(rounds):
            alone, rest = range(first, first + singles), range(first + singles, first + singles + batched)
            pushes = alone[:pushed]
            _expect_pushes(deployment, pushes)
            orders = order_calls(alone, _WAIT)
            windows[ONE_BY_ONE].append(ours.measure(orders, singles))
            windows[MINIMAL].append(minimal.measure(orders, singles))
            windows[BATCH].append(ours.measure(batch_calls(rest, _WAIT), batched))
            eticket = PushScript(kind="eticket", size=PDF)
            windows[TIXSTOCK].append(ours.measure(webhook_calls("tixstock", pushes, eticket), pushed))
            notification = PushScript(kind="notification")
            windows[TIQETS].append(ours.measure(webhook_calls("tiqets", pushes, notification), pushed))
            first = rest.stop
        _check_count(deployment, "tiqets/default", Status.PENDING, first)
        _check_count(deployment, "tixstock/default", Status.FULFILLED, rounds * pushed)
    return windows


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[LocalDeployment, MeasuredServer, MeasuredServer]]:
    """Start Willcall's API and the minimal one, over one Redis."""
    with LocalDeployment(folder, Script(), _ACCOUNTS, callbacks=True) as deployment:
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "bench.performance.minimal_api",
            "--redis",
            deployment.redis.url,
            "--port",
            str(port),
        ]
        with measured_core():
            ours = deployment.start_api()
            minimal = subprocess.Popen(command)
        try:
            deployment.wait_for_api()
            wait_until(lambda: _listens(port), "the minimal API listens")
            yield (
                deployment,
                MeasuredServer(psutil.Process(ours.pid), deployment.api_port),
                MeasuredServer(psutil.Process(minimal.pid), port),
            )
        finally:
            minimal.terminate()
            minimal.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _expect_pushes(deployment: LocalDeployment, numbers: range) -> None:
    """Submit the orders whose tickets Tixstock pushes."""
    payloads = [
        {"id": f"tixstock-{order_id(number)}", "provider": "tixstock", "reference": reference(number), "quantity": 1}
        for number in numbers
    ]
    submit_many(deployment.context, payloads)


def _check_count(deployment: LocalDeployment, account: str, status: Status, count: int) -> None:
    """Raise RuntimeError unless so many orders have the status."""
    found = deployment.context.stores.listing.counts(account)[status]
    if found != count:
        raise RuntimeError(f"{found} orders of {account} are {status}, expected {count}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance.api", description="The API's throughput.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--singles", type=int, default=1_000, help="orders one by one per round (default: 1,000)")
    parser.add_argument("--batched", type=int, default=10_000, help="orders in batches per round (default: 10,000)")
    parser.add_argument("--pushed", type=int, default=300, help="webhooks of each kind per round (default: 300)")
    given = parser.parse_args()
    use_driver_core()
    measured = measure(given.rounds, given.singles, given.batched, given.pushed)
    for name, windows in measured.items():
        costs = ", ".join(f"{each.cost:.2f}" for each in windows)
        rate, cost = median(each.rate for each in windows), median(each.cost for each in windows)
        sys.stdout.write(f"{name:32}{rate:6.0f}/s {cost:6.2f} ms CPU each ({costs})\n")
    ours, minimal = ([each.cost for each in measured[name]] for name in (ONE_BY_ONE, MINIMAL))
    sys.stdout.write(f"CPU per order, Willcall / minimal FastAPI: {median(ratios(ours, minimal)):.2f} x\n")


if __name__ == "__main__":
    main()
