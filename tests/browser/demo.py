"""The demo as seen in a browser: many orders fulfilled, some pending, some that need attention."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from willcall.devtools.callback_receiver import CallbackReceiver
from willcall.devtools.demo_deployment import demo_deployment, start_processes, submit_orders
from willcall.devtools.forked_processes import FORKED
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import Order, Status
from willcall.simulator.demo_script import demo_script
from willcall.stores.accounts import AccountHealth
from willcall.stores.listing import OrderFilter
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
def running_demo(folder: Path) -> Iterator[LocalDeployment]:
    """The demo's orders with worker, beat, API, Flower and a backend, for the block, which begins at a good moment."""
    script = demo_script()
    with (
        CallbackReceiver() as backend,
        demo_deployment(
            folder, script, ceiling=CEILING, api={"keys": [KEY], "operator_keys": [OPERATOR_KEY]}, **FORKED
        ) as deployment,
    ):
        start_processes(deployment)
        deployment.start_flower()
        # Flower switches task events on by itself, within five seconds; the first orders shall be seen too.
        deployment.app.control.broadcast("enable_events", reply=True, timeout=LONGEST, limit=1)
        submit_orders(deployment, backend, script.orders)
        submit(deployment.context, UNKNOWN)
        _wait_for_a_good_moment(deployment)
        yield deployment


def _wait_for_a_good_moment(deployment: LocalDeployment) -> None:
    deadline = time.monotonic() + LONGEST
    while True:
        orders = deployment.context.stores.listing.page(OrderFilter(), 500).orders
        statuses = Counter(order.status for order in orders)
        attention = {order.id for order in orders if order.attention}
        if statuses[Status.FULFILLED] >= ENOUGH and UNKNOWN["id"] in attention and len(attention) > 1:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the orders of the demo are only: {dict(statuses)}")
        time.sleep(0.1)


def make_trouble(deployment: LocalDeployment) -> None:
    """Make it a bad moment: an account's key is revoked, and orders of it wait."""
    deployment.providers.update_account("paylogic", revoked=True)
    for number in range(1, 8):
        submit(
            deployment.context, {"id": f"late-{number:03}", "provider": "paylogic", "reference": f"a7c6late{number}"}
        )
    account = deployment.context.accounts["paylogic/default"]
    deadline = time.monotonic() + LONGEST
    while deployment.context.stores.accounts.state(account.key, account.rate).health is not AccountHealth.UNAUTHORIZED:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody has noticed that the key is revoked")
        time.sleep(0.1)


def patient_order(deployment: LocalDeployment) -> Order:
    """The fulfilled order that was polled most often."""
    fulfilled = deployment.context.stores.listing.page(OrderFilter(Status.FULFILLED), 200).orders
    return max(fulfilled, key=lambda order: order.attempts)


@contextmanager
def frozen_worker(deployment: LocalDeployment) -> Iterator[None]:
    """The worker takes no message for the block."""
    (stats,) = deployment.app.control.inspect(timeout=LONGEST, limit=1).stats().values()
    with _frozen(stats["pid"]):
        yield


@contextmanager
def frozen_api(deployment: LocalDeployment) -> Iterator[None]:
    """Suspend the API for the block, with its connections open."""
    (api,) = (process for process in deployment.context.stores.processes.running() if process.kind == "api")
    with _frozen(int(api.name.partition("@")[0].removeprefix("willcall-"))):
        yield


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
