"""Those who compete: each polls the same orders of the same simulated provider."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import psutil

from bench.performance import cores, plain
from cli.stage import Stage
from simulator.script import OrderScript, Script, SlowFault
from willcall.providers.adapters.tiqets.adapter import TiqetsCredentials
from willcall.usecases.submit import submit

ACCOUNT = "tiqets/default"
#: Due about once a second, at a rate that never holds anything up.
SETTINGS = {
    "rate": {"limit": 100_000, "period": 1, "burst": 100_000},
    "polling": {"initial": plain.COUNTDOWN, "factor": 1, "cap": plain.COUNTDOWN, "minimum": 0.5, "ceiling": 86_400},
}


@dataclass(frozen=True, slots=True)
class Load:
    """How hard the contestants are worked: orders, threads of a worker, seconds until the provider answers."""

    orders: int
    threads: int
    latency: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A window of full load: polls, its length and the contestant's CPU time, both in seconds."""

    polls: int
    seconds: float
    cpu: float


@contextmanager
def new_stage(load: Load) -> Iterator[Stage]:
    """A Redis of its own and the provider, which never has tickets for any of the orders."""
    faults = (SlowFault(do="hang", seconds=load.latency, times=None),) if load.latency else ()
    orders = tuple(
        OrderScript(provider="tiqets", reference=reference(number), ends="never", answers=faults)
        for number in range(load.orders)
    )
    with (
        TemporaryDirectory(prefix="willcall-bench-") as folder,
        Stage(Path(folder), Script(orders=orders), {ACCOUNT: SETTINGS}) as stage,
    ):
        yield stage


def willcall(stage: Stage, load: Load, warm_up: float, window: float) -> Measured:
    """Orders through Willcall's own worker, whole chain: claim, ask, decide, settle, reschedule."""
    for number in range(load.orders):
        submit(stage.context, {"id": f"ord-{number}", "provider": "tiqets", "reference": reference(number)})
    with cores.measured_core():
        worker = stage.start("worker", "--concurrency", str(load.threads))
    stage.wait_for_workers(1)
    return watch(stage, psutil.Process(worker.pid), warm_up, window)


def plain_celery(stage: Stage, load: Load, warm_up: float, window: float) -> Measured:
    """The same orders through the baseline's worker."""
    environment = plain.environment(stage.redis.url, *_provider(stage))
    send = [sys.executable, "-m", "bench.performance.plain_orders", "--orders", str(load.orders)]
    subprocess.run(send, env=environment, check=True)  # noqa: S603 - our own command
    command = ["worker", "--pool=threads", f"--concurrency={load.threads}", "--loglevel=WARNING"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with cores.measured_core():
        worker = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "celery", "--quiet", "-A", "bench.performance.plain", *command, *quiet],
            env=environment,
        )
    try:
        return watch(stage, psutil.Process(worker.pid), warm_up, window)
    finally:
        worker.kill()
        worker.wait()


def bare_loop(stage: Stage, load: Load, warm_up: float, window: float) -> Measured:
    """Nothing but the requests."""
    options = {"threads": load.threads, "orders": load.orders, "warm-up": warm_up, "window": window}
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    with cores.measured_core():
        ended = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "bench.performance.loop", *given],
            env=plain.environment(stage.redis.url, *_provider(stage)),
            stdout=subprocess.PIPE,
            check=True,
        )
    return Measured(**json.loads(ended.stdout))


def watch(stage: Stage, worker: psutil.Process, warm_up: float, window: float) -> Measured:
    """What a worker does in a window that opens `warm_up` seconds after its first poll; the provider counts."""
    while not asked(stage):
        time.sleep(0.2)
    time.sleep(warm_up)
    before, start, used = asked(stage), time.monotonic(), _cpu(worker)
    time.sleep(window)
    return Measured(asked(stage) - before, time.monotonic() - start, _cpu(worker) - used)


def asked(stage: Stage) -> int:
    """How many requests the provider has had."""
    return sum(order["asked"] for order in stage.providers.orders())


def reference(number: int) -> str:
    """What the provider knows an order by."""
    return str(1_000_000 + number)


def _provider(stage: Stage) -> tuple[str, str]:
    """Where the provider's orders are, and the key."""
    credentials = cast("TiqetsCredentials", stage.context.accounts[ACCOUNT].credentials)
    return f"{credentials.base_url}/orders", credentials.api_key.get_secret_value()


def _cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)
