"""The demo as a person finds it in a browser: many orders fulfilled, some on their way, some that need attention."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.forked import FORKED
from willcall.devtools.callback_receiver import Receiver
from willcall.devtools.demo_deployment import demo_stage, start_processes, submit_orders
from willcall.devtools.local_deployment import Stage
from willcall.orders.model import Order, Status
from willcall.simulator.demo_script import demo_script
from willcall.stores.accounts import Health
from willcall.stores.listing import Query
from willcall.usecases.submit import submit

#: Opens the order board.
OPERATOR_KEY = "operator-key-of-the-demo"
#: Of the backend that submits its orders.
KEY = "backend-key-of-the-demo"
#: Seconds until an order expires: those that are never fulfilled stay for as long as anybody looks.
CEILING = 3_600.0
#: An order that its provider does not know.
UNKNOWN = {"id": "demo-unknown", "provider": "tiqets", "reference": "9999999"}
#: How many orders are fulfilled when the demo is worth a look, and how long that may take.
ENOUGH, LONGEST = 30, 60.0


@contextmanager
def running_demo(folder: Path) -> Iterator[Stage]:
    """The demo's orders with worker, beat, API, Flower and a backend, for the block, which begins at a good moment."""
    script = demo_script()
    with (
        Receiver() as backend,
        demo_stage(
            folder, script, ceiling=CEILING, api={"keys": [KEY], "operator_keys": [OPERATOR_KEY]}, **FORKED
        ) as stage,
    ):
        start_processes(stage)
        stage.start_flower()
        # Flower switches task events on by itself, within five seconds; the first orders shall be seen too.
        stage.app.control.broadcast("enable_events", reply=True, timeout=LONGEST, limit=1)
        submit_orders(stage, backend, script.orders)
        submit(stage.context, UNKNOWN)
        _wait_for_a_good_moment(stage)
        yield stage


def _wait_for_a_good_moment(stage: Stage) -> None:
    deadline = time.monotonic() + LONGEST
    while True:
        orders = stage.context.stores.listing.page(Query(), 500).orders
        statuses = Counter(order.status for order in orders)
        if statuses[Status.FULFILLED] >= ENOUGH and sum(order.attention is not None for order in orders) > 1:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the orders of the demo are only: {dict(statuses)}")
        time.sleep(0.1)


def make_trouble(stage: Stage) -> None:
    """Make it a bad moment: an account's key is revoked, and orders of it wait."""
    stage.providers.change_account("paylogic", revoked=True)
    for number in range(1, 8):
        submit(stage.context, {"id": f"late-{number:03}", "provider": "paylogic", "reference": f"a7c6late{number}"})
    account = stage.context.accounts["paylogic/default"]
    deadline = time.monotonic() + LONGEST
    while stage.context.stores.accounts.state(account.key, account.rate).health is not Health.UNAUTHORIZED:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody has noticed that the key is revoked")
        time.sleep(0.1)


def patient_order(stage: Stage) -> Order:
    """The fulfilled order that was asked about most often."""
    fulfilled = stage.context.stores.listing.page(Query(Status.FULFILLED), 200).orders
    return max(fulfilled, key=lambda order: order.attempts)


@contextmanager
def frozen_worker(stage: Stage) -> Iterator[None]:
    """The worker takes no message for the block."""
    (stats,) = stage.app.control.inspect(timeout=LONGEST, limit=1).stats().values()
    with _frozen(stats["pid"]):
        yield


@contextmanager
def frozen_api(stage: Stage) -> Iterator[None]:
    """The API answers nobody for the block, and ends no connection."""
    (api,) = (process for process in stage.context.stores.processes.alive() if process.kind == "api")
    with _frozen(int(api.name.partition("@")[0].removeprefix("willcall-"))):
        yield


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
