"""A client of the control API, for demos, tests and load tests."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from willcall.simulator.script import OrderScript, PushScript


class SimulatorError(Exception):
    """The simulator rejected a call; the message says why."""


class SimulatorClient:
    """Controls the simulator at `url`. Every call opens a new connection.

    Raises:
        ControlError: from every method, if the simulator rejects the call.
        OSError: from every method, if it cannot be reached.
    """

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.url = url
        self._address = urlsplit(url).netloc
        self._timeout = timeout

    def add_orders(self, orders: Iterable[OrderScript | Mapping[str, Any]]) -> int:
        """Add orders whose clocks start now; return how many."""
        scripts = [OrderScript.model_validate(order).model_dump(exclude_defaults=True) for order in orders]
        return int(self._call("POST", "orders", scripts)["added"])

    def orders(self) -> list[dict[str, Any]]:
        """Return every scripted order: its key, `ends`, `expect`, `requests` and `reported`."""
        return list(self._call("GET", "orders")["items"])

    def issued_secrets(self) -> list[str]:
        """Return everything that only the client may see: references, tokens, document names and barcodes."""
        return list(self._call("GET", "issued")["items"])

    def ledger(
        self, *, provider: str | None = None, reference: str | None = None, after: int = 0
    ) -> list[dict[str, Any]]:
        """Return the requests after number `after`; see `simulator.ledger.LedgerEntry`."""
        wanted = {"provider": provider, "reference": reference, "after": str(after)}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        return list(self._call("GET", f"ledger?{query}")["items"])

    def push(
        self, provider: str, reference: str, *pushes: PushScript | Mapping[str, Any], account: str = "default"
    ) -> None:
        """Have a provider send pushes about an order: see `simulator.script.PushScript`; the clocks start now."""
        scripts = [PushScript.model_validate(push).model_dump(exclude_defaults=True) for push in pushes]
        self._call("POST", f"pushes/{provider}/{account}/{quote(reference, safe='')}", scripts)

    def pushes(self, *, provider: str | None = None, reference: str | None = None) -> list[dict[str, Any]]:
        """Return the pushes that were sent; see `simulator.ledger.PushEntry`."""
        wanted = {"provider": provider, "reference": reference}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        return list(self._call("GET", f"pushes?{query}")["items"])

    def verdict(self) -> dict[str, Any]:
        """Return `ok`, `faults` and a tally per provider; see `simulator.verdict`."""
        return self._call("GET", "verdict")

    def update_account(self, provider: str, account: str = "default", **changes: Any) -> dict[str, Any]:
        """Change fields of an account, as in `simulator.script.AccountUpdate`; return it as it is now."""
        return self._call("POST", f"accounts/{provider}/{account}", changes)

    def reset(self) -> None:
        """Delete the ledger's entries so far."""
        self._call("POST", "reset")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = HTTPConnection(self._address, timeout=self._timeout)
        try:
            connection.request(method, f"/_sim/{path}", None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise SimulatorError(answer["error"])
        return answer
