"""A simulator in a thread, whose clock is frozen unless the test moves it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.simulator_thread import SimulatorThread
from tests.waiting import wait_until
from willcall.simulator.script import AccountScript, OrderScript, Script

NOON = 1_800_000_000.0
TIMEOUT = 60.0


class SteppedClock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Providers:
    """The simulator as a client sees it. Every account is the default one unless headers say otherwise."""

    def __init__(self, simulator: SimulatorThread, clock: SteppedClock) -> None:
        self.url = simulator.url
        self.state = simulator.state
        self.client = simulator.client
        self.clock = clock

    def get(self, path: str, *, timeout: Any = TIMEOUT, **options: Any) -> requests.Response:
        return requests.get(self.url + path, allow_redirects=False, timeout=timeout, **options)

    def bearer(self) -> dict[str, str]:
        answer = requests.post(
            f"{self.url}/funtrips/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=("funtrips-default", "funtrips-default-secret"),
            timeout=TIMEOUT,
        )
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def tiqets(self, reference: str = "1", **options: Any) -> requests.Response:
        headers = {"Authorization": "Token tiqets-default-key"}
        return self.get(f"/tiqets/v2/orders/{reference}/tickets?lang=en", headers=headers, **options)

    @contextmanager
    def asking_tiqets(self) -> Iterator[None]:
        """A request has arrived and is not answered yet; after the block its client has hung up."""
        connection, before = HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT), len(self.entries())
        connection.request("GET", "/tiqets/v2/orders/1/tickets", headers={"Authorization": "Token tiqets-default-key"})
        wait_until(lambda: len(self.entries()) > before)
        yield
        connection.close()
        wait_until(lambda: self.entries()[before]["finished"] is not None)

    def tixstock(self, reference: str = "1") -> requests.Response:
        headers = {"Authorization": "Bearer tixstock-default-token"}
        return self.get(f"/tixstock/v1/orders/get/{reference}", headers=headers)

    def voordemensen(self, reference: str = "1") -> requests.Response:
        return self.get(f"/voordemensen/v1/demo/order/{reference}")

    def paylogic(self, path: str) -> requests.Response:
        return self.get(f"/paylogic/{path}", auth=("paylogic-default", "paylogic-default-password"))

    def entries(self) -> list[dict[str, Any]]:
        return self.client.ledger()


Start = Callable[..., Providers]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a simulator with these orders and accounts."""
    with ExitStack() as stack:

        def start_one(*orders: dict[str, Any], accounts: tuple[dict[str, Any], ...] = (), **settings: Any) -> Providers:
            script = Script(
                orders=tuple(OrderScript.model_validate({"reference": "1"} | order) for order in orders),
                accounts=tuple(AccountScript.model_validate(account) for account in accounts),
                **settings,
            )
            clock = SteppedClock()
            return Providers(stack.enter_context(SimulatorThread(script, clock=clock)), clock)

        yield start_one
