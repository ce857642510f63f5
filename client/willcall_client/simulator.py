"""Scripting the simulated providers of a test server."""

from __future__ import annotations

from typing import Any

import httpx

from willcall_client.errors import WillcallError


class SimulatorError(WillcallError):
    """The simulator rejected a call; the message says why."""


class Simulator:
    """The five simulated providers. Durations are seconds."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.url = url
        # It is on this machine: no proxy of the environment leads there.
        self._http = httpx.Client(base_url=f"{url}/_sim/", timeout=timeout, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def add_order(self, provider: str, reference: str, **script: Any) -> None:
        """Have a provider know an order from now on; without further fields its ticket is issued at once.

        `ready_after`: how long it takes. `ends`: `fulfilled`, `failed`, `cancelled` or `never`. `quantity`: tickets.
        `answers`: faults for the first requests. Willcall's documentation of `simulator` names all fields.
        """
        self._call("POST", "orders", [{"provider": provider, "reference": reference, **script}])

    def set_order(self, provider: str, reference: str, **script: Any) -> None:
        """Do the same, also if the provider knows the order already: from now on it is as this script says."""
        self._call("PUT", "orders", [{"provider": provider, "reference": reference, **script}])

    def update_account(self, provider: str, account: str = "default", **changes: Any) -> None:
        """Change an account: `revoked=True` rejects its credentials, `down="503"` makes the provider fail."""
        self._call("POST", f"accounts/{provider}/{account}", changes)

    def requests(self, provider: str, reference: str) -> list[dict[str, Any]]:
        """Return the requests that a provider received about an order."""
        items = self._call("GET", "ledger", params={"provider": provider, "reference": reference})["items"]
        return list(items)

    def _call(self, method: str, path: str, body: Any = None, params: dict[str, str] | None = None) -> Any:
        response = self._http.request(method, path, json=body, params=params)
        document = response.json()
        if response.is_error:
            raise SimulatorError(document["error"])
        return document
