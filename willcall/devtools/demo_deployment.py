"""The demo's orders on a stage: for `willcall demo`, the tests in a browser, and the pictures of the documentation."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from willcall.client import Client
from willcall.devtools.callback_receiver import Receiver
from willcall.devtools.local_deployment import Stage
from willcall.simulator.demo_script import RATES
from willcall.simulator.script import OrderScript, Script

#: Seconds after which an order that the demo never fulfils expires.
CEILING = 30.0
#: Polling that suits a run of seconds; the providers' own minimum and hints hold all the same.
POLLING = {"initial": 0.5, "cap": 3, "minimum": 0.2, "interval": [2, 3], "missing_grace": 10}
HEALTH = {"probe": [1, 5], "throttle_pause": 2}
SWEEPS = {"revive": 2, "expire": 2, "reconcile": 3, "grace": 5}
#: One order in so many has a backend that is busy at first: it takes the event when it is told again.
BUSY = 13


def demo_stage(folder: Path, script: Script, *, ceiling: float = CEILING, **settings: Any) -> Stage:
    """The stage for a script's accounts. `settings` are further keys and tables of the config."""
    accounts = {
        f"{provider}/{account}": {
            "rate": {"limit": limit, "period": 1, "burst": limit},
            "polling": {**POLLING, "ceiling": ceiling},
            "health": HEALTH,
        }
        for (provider, account), limit in RATES.items()
    }
    providers = Script(accounts=script.accounts, jitter=script.jitter, push_minute=1)
    return Stage(folder, providers, accounts, callbacks=True, sweeps=SWEEPS, **settings)


def start_processes(stage: Stage) -> None:
    """Start a worker, beat and the API; come back when they answer."""
    stage.start("worker")
    stage.start("beat")
    stage.start_api()
    stage.wait_for_workers(1)
    stage.wait_for_api()


def submit_orders(stage: Stage, backend: Receiver, orders: tuple[OrderScript, ...]) -> dict[str, str]:
    """Script the orders, then submit them over HTTP: order id -> the status at which it should end."""
    stage.providers.add_orders(orders)
    expected: dict[str, str] = {f"demo-{number:03}": order.expected for number, order in enumerate(orders, 1)}
    keys = [key.get_secret_value() for key in stage.context.settings.api.keys]
    with Client(stage.api_url, *keys[:1]) as client:
        refused = [result.error for result in client.submit_many(_wishes(backend, expected, orders)) if result.error]
    if refused:
        raise RuntimeError(f"the API refuses {len(refused)} orders of the demo: {refused[0].detail}")
    return expected


def _wishes(backend: Receiver, order_ids: Iterable[str], orders: Iterable[OrderScript]) -> Iterator[dict[str, Any]]:
    """What is submitted; the backend of some orders is too busy to be told at once."""
    for number, (order_id, order) in enumerate(zip(order_ids, orders, strict=True)):
        path = f"/events/{order_id}"
        if number % BUSY == 0:
            backend.script(HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.OK, path=path)
        yield {
            "id": order_id,
            "provider": order.provider,
            "account": order.account,
            "reference": order.reference,
            "quantity": order.quantity,
            "callback_url": backend.url(path),
        }
