"""Orders are handed in by waves while things break, by three ways in, each again until somebody takes it."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bench.chaos.history import SubmittedOrder
from tasks.queues import SUBMIT
from willcall.client import Client
from willcall.client.errors import Unavailable
from willcall.devtools.callback_receiver import CallbackReceiver, ScriptedResponse
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript
from willcall.usecases.submit import submit

#: Waves of a run.
WAVES = 8
#: By turns: as a Celery task, as a backend's own Celery application would; over HTTP; in this process.
WAYS = ("task", "api", "direct", "direct", "direct")
#: Seconds for which the client by itself asks an API again that is away.
PATIENCE = 2.0
#: One backend in so many does not take its first message, and asks for a second to pass.
FLAKY = 4
_BUSY = ScriptedResponse(503, {"retry-after": "1"})
#: Seconds between two tries.
AGAIN = 0.2


class Submitter(Thread):
    """Hands in all orders within `seconds`. An order whose submission failed is handed in again, as backends do."""

    def __init__(
        self,
        deployment: LocalDeployment,
        receiver: CallbackReceiver,
        scripts: Sequence[OrderScript],
        seconds: float,
    ) -> None:
        """The deployment and the receiver run already; each order's backend is a path of the receiver."""
        super().__init__(name="submitter", daemon=True)
        self.submitted: dict[str, SubmittedOrder] = {}
        self.retries = 0
        self.count = len(scripts)
        self._stage = deployment
        self._receiver = receiver
        self._client = Client(deployment.api_url, patience=PATIENCE)
        self._scripts = scripts
        self._pause = seconds / WAVES
        self._enough = Event()

    def run(self) -> None:
        """Wave after wave. Those that go over HTTP wait for the API by themselves, and hold up nobody else."""
        started = time.monotonic()
        size = -(-len(self._scripts) // WAVES)
        with ThreadPoolExecutor(1, "submitter over HTTP") as over_http:
            for wave in range(WAVES):
                self._enough.wait(max(0.0, started + wave * self._pause - time.monotonic()))
                first = wave * size
                scripts = self._scripts[first : first + size]
                self._stage.providers.add_orders(scripts)
                for number, script in enumerate(scripts, first):
                    order_id, way = f"ord-{number:05}", WAYS[number % len(WAYS)]
                    if number % FLAKY == 0:
                        self._receiver.script(_BUSY, 200, path=path_of(order_id))
                    if way == "api":
                        over_http.submit(self._hand_in, order_id, script, way)
                    else:
                        self._hand_in(order_id, script, way)

    def finish(self) -> dict[str, SubmittedOrder]:
        """Give up on what nobody took; everything that was tried."""
        self._enough.set()
        self.join(30.0)
        return dict(self.submitted)

    def _hand_in(self, order_id: str, script: OrderScript, way: str) -> None:
        payload = script.model_dump(include={"provider", "account", "reference", "quantity"})
        payload |= {"id": order_id, "callback_url": self._receiver.url(path_of(order_id))}
        accepted = None
        try:
            while accepted is None and not self._enough.is_set():
                try:
                    self._try(way, payload)
                except (RedisError, OperationalError, Unavailable, AttributeError):  # the last is kombu's in an outage
                    self.retries += 1
                    self._enough.wait(AGAIN)
                else:
                    accepted = time.time()
        finally:
            name = (script.provider, script.account, script.reference)
            self.submitted[order_id] = SubmittedOrder(order_id, name, script.expected, accepted, way)

    def _try(self, way: str, payload: dict[str, Any]) -> None:
        match way:
            case "task":
                self._stage.app.send_task("tasks.submit", kwargs=payload, queue=SUBMIT)
            case "api":
                self._client.submit(**payload)
            case _:
                submit(self._stage.context, payload)


def path_of(order_id: str) -> str:
    """Where an order's backend is told."""
    return f"/{order_id}"
