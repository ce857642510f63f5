"""Submits the orders in waves and by three routes, each again until it is accepted."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bench.chaos.history import SubmittedOrder
from tasks.queues import SUBMIT
from willcall.devtools.callback_receiver import CallbackReceiver, ScriptedResponse
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript
from willcall.usecases.submit import submit
from willcall_client import Client, UnavailableError

#: Number of waves.
WAVES = 8
#: Routes in turn: as a Celery task, as a backend's own Celery app would; over HTTP; directly, in this process.
ROUTES = ("task", "api", "direct", "direct", "direct")
#: Seconds for which the client retries while the API is unavailable.
PATIENCE = 2.0
#: One backend in this many rejects its first callback and asks to wait a second.
FLAKY = 4
_BUSY = ScriptedResponse(503, {"retry-after": "1"})
#: One order in this many has an event so many seconds after its submission. At half of that time it is at risk.
DATED, EVENT_IN = 3, 30.0
#: Seconds between two attempts.
RETRY_AFTER = 0.2


class Submitter(Thread):
    """Submit all orders within `seconds`, each again until it is accepted, as backends do."""

    def __init__(
        self,
        deployment: LocalDeployment,
        receiver: CallbackReceiver,
        scripts: Sequence[OrderScript],
        seconds: float,
    ) -> None:
        super().__init__(name="submitter", daemon=True)
        self.submitted: dict[str, SubmittedOrder] = {}
        self.retries = 0
        self.count = len(scripts)
        self._deployment = deployment
        self._receiver = receiver
        self._client = Client(deployment.api_url, patience=PATIENCE)
        self._scripts = scripts
        self._pause = seconds / WAVES
        self._stopping = Event()

    def run(self) -> None:
        """Submit wave after wave. Those over HTTP may wait for the API, so they have a thread of their own."""
        started = time.monotonic()
        size = -(-len(self._scripts) // WAVES)
        with ThreadPoolExecutor(1, "submitter over HTTP") as over_http:
            for wave in range(WAVES):
                self._stopping.wait(max(0.0, started + wave * self._pause - time.monotonic()))
                first = wave * size
                scripts = self._scripts[first : first + size]
                self._deployment.providers.add_orders(scripts)
                for number, script in enumerate(scripts, first):
                    order_id, route = f"ord-{number:05}", ROUTES[number % len(ROUTES)]
                    if number % FLAKY == 0:
                        self._receiver.script(_BUSY, 200, path=path_of(order_id))
                    if route == "api":
                        over_http.submit(self._submit, order_id, script, route)
                    else:
                        self._submit(order_id, script, route)

    def finish(self) -> dict[str, SubmittedOrder]:
        """Give up on orders that were not accepted yet; return all."""
        self._stopping.set()
        self.join(30.0)
        return dict(self.submitted)

    def _submit(self, order_id: str, script: OrderScript, route: str) -> None:
        payload = script.model_dump(include={"provider", "account", "reference", "quantity"})
        payload |= {"id": order_id, "callback_url": self._receiver.url(path_of(order_id))}
        if int(order_id[-5:]) % DATED == 0:
            payload["event_at"] = datetime.fromtimestamp(time.time() + EVENT_IN, UTC).isoformat()
        accepted = None
        try:
            while accepted is None and not self._stopping.is_set():
                try:
                    self._send(route, payload)
                except (
                    RedisError,
                    OperationalError,
                    UnavailableError,
                    AttributeError,
                ):  # the last is kombu's in an outage
                    self.retries += 1
                    self._stopping.wait(RETRY_AFTER)
                else:
                    accepted = time.time()
        finally:
            name = (script.provider, script.account, script.reference)
            self.submitted[order_id] = SubmittedOrder(order_id, name, script.expected, accepted, route)

    def _send(self, route: str, payload: dict[str, Any]) -> None:
        match route:
            case "task":
                self._deployment.app.send_task("tasks.submit", kwargs=payload, queue=SUBMIT)
            case "api":
                self._client.submit(**payload)
            case _:
                submit(self._deployment.context, payload)


def path_of(order_id: str) -> str:
    """Return the path of an order's callbacks."""
    return f"/{order_id}"
