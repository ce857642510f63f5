"""The demo's orders on a local deployment: for `willcall demo`, browser tests and pictures of the documentation."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request

from willcall.devtools.callback_receiver import CallbackReceiver, ReceivedCallback
from willcall.devtools.local_deployment import LocalDeployment, open_url
from willcall.orders.model import Attempt, Order
from willcall.simulator.demo_script import RATES
from willcall.simulator.script import OrderScript, Script

#: Seconds after which orders that are never fulfilled expire.
CEILING = 30.0
#: Polling settings for a demo of some seconds; the providers' minimum intervals and hints still apply.
POLLING = {"initial": 0.5, "cap": 3, "minimum": 0.2, "interval": [2, 3], "missing_grace": 10}
HEALTH = {"probe": [1, 5], "throttle_pause": 2}
SWEEPS = {"polls": 2, "expire": 2, "reconcile": 3, "grace": 5}
#: One order in so many has a backend that is busy at first, and accepts the callback when it is retried.
BUSY = 13


@dataclass(frozen=True, slots=True)
class DemoProgress:
    """The orders, their timelines and expected statuses, by order id, and the callbacks that the backend received."""

    orders: Mapping[str, Order]
    timelines: Mapping[str, list[Attempt]]
    expected: Mapping[str, str]
    callbacks: Sequence[ReceivedCallback]

    @property
    def unfinished(self) -> list[Order]:
        """The orders that have not ended as scripted, yet."""
        return [order for order in self.orders.values() if order.status != self.expected[order.id]]

    @property
    def undelivered(self) -> list[str]:
        """The orders whose final status the backend has not accepted yet."""
        accepted = [each.event for each in self.callbacks if each.verified and each.status == HTTPStatus.OK]
        delivered = {event["order_id"]: event["data"]["status"] for event in accepted}
        return [order_id for order_id, status in self.expected.items() if delivered.get(order_id) != status]


def demo_deployment(folder: Path, script: Script, *, ceiling: float = CEILING, **settings: Any) -> LocalDeployment:
    """Return the deployment for a script's accounts. `settings` are further keys and tables of the config."""
    accounts = {
        f"{provider}/{account}": {
            "rate": {"limit": limit, "period": 1, "burst": limit},
            "polling": {**POLLING, "ceiling": ceiling},
            "health": HEALTH,
        }
        for (provider, account), limit in RATES.items()
    }
    providers = Script(accounts=script.accounts, jitter=script.jitter, push_minute=1)
    return LocalDeployment(folder, providers, accounts, callbacks=True, sweeps=SWEEPS, **settings)


def start_processes(deployment: LocalDeployment) -> None:
    """Start a worker, beat and the API, and wait until they respond."""
    deployment.start("worker")
    deployment.start("beat")
    deployment.start_api()
    deployment.wait_for_workers(1)
    deployment.wait_for_api()


def submit_orders(
    deployment: LocalDeployment, backend: CallbackReceiver, orders: tuple[OrderScript, ...]
) -> dict[str, str]:
    """Script the orders, then submit them over HTTP. Returns the expected final status by order id."""
    deployment.providers.add_orders(orders)
    expected: dict[str, str] = {f"demo-{number:03}": order.expected for number, order in enumerate(orders, 1)}
    batch = {"orders": list(_submissions(backend, expected, orders))}
    rejected = [each["error"] for each in _call(deployment, "/v1/orders:batch", batch)["results"] if "error" in each]
    if rejected:
        raise RuntimeError(f"the API rejected {len(rejected)} orders of the demo: {rejected[0]['detail']}")
    return expected


def check_out(deployment: LocalDeployment, backend: CallbackReceiver) -> dict[str, str]:
    """Create an order at voordemensen, and have its customer come back. Returns its expected status by its id."""
    order_id = "demo-checkout"
    checkout = {
        "provider": "voordemensen",
        "cart_id": "demo-cart",
        "payment_id": 12,
        "redirect_url": "https://shop.example/thanks",
        "order": {"id": order_id, "quantity": 1, "callback_url": backend.url(f"/events/{order_id}")},
    }
    created = _call(deployment, "/v1/checkouts", checkout)
    api = HTTPConnection("127.0.0.1", deployment.api_port, timeout=60)
    with closing(api):
        api.request("GET", f"/return/voordemensen/default?return={quote(created['order']['reference'])}")
        if api.getresponse().status != HTTPStatus.SEE_OTHER:
            raise RuntimeError("the customer of the demo could not come back")
    return {order_id: "fulfilled"}


def _call(deployment: LocalDeployment, path: str, body: Mapping[str, Any]) -> Any:
    """POST to the API and return its JSON."""
    keys = [key.get_secret_value() for key in deployment.context.settings.api.keys]
    headers = {"Content-Type": "application/json"}
    if keys:
        headers["Authorization"] = f"Bearer {keys[0]}"
    call = Request(f"{deployment.api_url}{path}", json.dumps(body).encode(), headers)  # noqa: S310 - our own
    with open_url(call, timeout=60) as response:
        return json.load(response)


def _submissions(
    backend: CallbackReceiver, order_ids: Iterable[str], orders: Iterable[OrderScript]
) -> Iterator[dict[str, Any]]:
    """Yield what is submitted; the backend of some orders is busy at first."""
    for number, (order_id, order) in enumerate(zip(order_ids, orders, strict=True)):
        path = f"/events/{order_id}"
        if number % BUSY == 0:
            backend.script(HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.OK, path=path)
        yield {
            "id": order_id,
            "provider": order.provider,
            "account": order.account,
            "reference": order.reference,
            "quantity": order.bought,
            "callback_url": backend.url(path),
        }


def read_progress(deployment: LocalDeployment, backend: CallbackReceiver, expected: Mapping[str, str]) -> DemoProgress:
    """Read the progress of all orders."""
    store = deployment.context.stores.orders
    orders = {order.id: order for order in store.get_many(list(expected)) if order}
    timelines = {order_id: store.timeline(order_id) for order_id in orders}
    return DemoProgress(orders, timelines, expected, tuple(backend.received))
