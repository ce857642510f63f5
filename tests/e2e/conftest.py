"""A deployment per test: real Redis, real providers over HTTP, real workers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rabbitmq import RabbitMQ, executable
from tests.tools import require
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.forked_processes import FORKED
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import FINAL, Order
from willcall.simulator.script import AccountScript, OrderScript, RateScript, Script
from willcall.usecases.submit import submit

#: Polling that suits a test; the provider's own minimum and hints hold all the same.
POLLING = {"initial": 0.3, "cap": 1.0, "minimum": 0.2, "interval": [1, 2], "ceiling": 3_600, "missing_grace": 2}
HEALTH = {"probe": [1, 2], "throttle_pause": 1}
HTTP = {"read_timeout": 2, "total_timeout": 3}
SWEEPS = {"polls": 0.5, "notify": 0.5, "expire": 1, "reconcile": 2, "alerts": 0.5, "grace": 2}
#: Those that run every two seconds or more often.
OFTEN = ("polls", "notify", "expire", "reconcile", "alerts")
#: Backends are on loopback, and verify their callbacks.
CALLBACKS = {"notify": {"secret": SECRET}, "outbound": {"allow": ["127.0.0.0/8"]}}
WIDE = {"limit": 200, "period": 1, "burst": 200}
#: Seconds by which a busy machine may hold up one request more than another on its way to the simulator.
JITTER = 0.5

Setup = Callable[..., LocalDeployment]


@contextmanager
def deployments(folder: Path) -> Iterator[Setup]:
    """Makes a running deployment: accounts by key with their tables, and further keys of the config.

    The simulator holds us to the same rates.
    """
    with ExitStack() as stack:

        def setup(accounts: dict[str, dict[str, Any]], **settings: Any) -> LocalDeployment:
            tables = {
                key: {"rate": WIDE, "polling": POLLING, "health": HEALTH, "http": HTTP} | given
                for key, given in accounts.items()
            }
            scripts = [
                AccountScript(
                    provider=key.partition("/")[0], name=key.partition("/")[2], rate=RateScript(**table["rate"])
                )
                for key, table in tables.items()
            ]
            script = Script(accounts=tuple(scripts), jitter=JITTER)
            return stack.enter_context(
                LocalDeployment(folder, script, tables, **FORKED, **{"sweeps": SWEEPS, **CALLBACKS, **settings})
            )

        yield setup


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Setup]:
    """A deployment for one test."""
    with deployments(tmp_path) as setup:
        yield setup


@contextmanager
def running_rabbitmq(folder: Path) -> Iterator[RabbitMQ]:
    """A RabbitMQ server for the block."""
    require("rabbitmq-server", executable())
    server = RabbitMQ(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ server that this run started."""
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.proof)])
def broker(request: pytest.FixtureRequest) -> dict[str, str]:
    """The config's broker: a test runs once over each, over RabbitMQ as part of the proof."""
    return {} if request.param == "redis" else {"broker_url": request.getfixturevalue("rabbitmq").url}


def submit_all(
    deployment: LocalDeployment, orders: Iterable[OrderScript], prefix: str = "ord", **fields: Any
) -> dict[str, str]:
    """Script the orders, then submit them, with further fields for all: order id -> how it should end."""
    scripts = list(orders)
    deployment.providers.add_orders(scripts)
    expected = {}
    for number, order in enumerate(scripts):
        payload = {
            "id": f"{prefix}-{number}",
            "provider": order.provider,
            "account": order.account,
            "reference": order.reference,
            "quantity": order.quantity,
            **fields,
        }
        expected[submit(deployment.context, payload).order_id] = order.expected
    return expected


def orders_of(deployment: LocalDeployment, expected: dict[str, str]) -> list[Order]:
    return [order for order in deployment.context.stores.orders.get_many(list(expected)) if order]


def unlike(deployment: LocalDeployment, expected: dict[str, str]) -> dict[str, str]:
    """The orders that have not ended as scripted, yet."""
    return {order.id: order.status for order in orders_of(deployment, expected) if order.status != expected[order.id]}


def wait_for_the_end(deployment: LocalDeployment, expected: dict[str, str], seconds: float = 60) -> None:
    """Wait until every order has ended as scripted; a look at all of them only when few are left."""
    stores = deployment.context.stores

    def ended() -> bool:
        counts = sum((Counter(stores.listing.counts(account)) for account in stores.orders.accounts()), Counter())
        return sum(counts[status] for status in FINAL) >= len(expected) and not unlike(deployment, expected)

    try:
        wait_until(ended, seconds)
    except AssertionError:
        assert unlike(deployment, expected) == {}
        raise
