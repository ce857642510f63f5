"""Orders are handed in by waves while things break, by two ways in, each again until somebody takes it."""

import time
from collections.abc import Sequence
from threading import Event, Thread

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from bench.chaos.history import Submitted
from cli.stage import Stage
from simulator.script import OrderScript
from willcall.usecases.submit import submit

#: Waves of a run.
WAVES = 8
#: One order in so many is handed in as a Celery task, as a backend's own Celery application would.
BY_TASK = 5
#: Seconds between two tries.
AGAIN = 0.2


class Submitter(Thread):
    """Hands in all orders within `seconds`. An order whose submission failed is handed in again, as backends do."""

    def __init__(self, stage: Stage, scripts: Sequence[OrderScript], seconds: float) -> None:
        """The stage runs already."""
        super().__init__(name="submitter", daemon=True)
        self.submitted: dict[str, Submitted] = {}
        self.retries = 0
        self.count = len(scripts)
        self._stage = stage
        self._scripts = scripts
        self._pause = seconds / WAVES
        self._enough = Event()

    def run(self) -> None:
        """Wave after wave."""
        started = time.monotonic()
        size = -(-len(self._scripts) // WAVES)
        for wave in range(WAVES):
            self._enough.wait(max(0.0, started + wave * self._pause - time.monotonic()))
            first = wave * size
            scripts = self._scripts[first : first + size]
            self._stage.providers.add_orders(scripts)
            for number, script in enumerate(scripts, first):
                self._hand_in(f"ord-{number:05}", script, by_task=number % BY_TASK == 0)

    def finish(self) -> dict[str, Submitted]:
        """Give up on what nobody took; everything that was tried."""
        self._enough.set()
        self.join(30.0)
        return dict(self.submitted)

    def _hand_in(self, order_id: str, script: OrderScript, *, by_task: bool) -> None:
        payload = {"id": order_id, **script.model_dump(include={"provider", "account", "reference", "quantity"})}
        accepted = None
        while accepted is None and not self._enough.is_set():
            try:
                if by_task:
                    self._stage.app.send_task("tasks.submit", kwargs=payload)
                else:
                    submit(self._stage.context, payload)
            except (RedisError, OperationalError):
                self.retries += 1
                self._enough.wait(AGAIN)
            else:
                accepted = time.time()
        name = (script.provider, script.account, script.reference)
        way = "task" if by_task else "direct"
        self.submitted[order_id] = Submitted(order_id, name, script.expected, accepted, way)
