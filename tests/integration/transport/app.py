"""A tiny Celery application for real workers: `celery -A tests.integration.transport.app`.

From the environment: BROKER, OPTIONS (JSON), LEDGER (a file), and STOCK for kombu's own transport.
"""

import json
import os
import time

from celery import Celery

from workers.transport.redis import install_transport

if "STOCK" not in os.environ:
    install_transport()

app = Celery("transport-test", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    broker_transport_options=json.loads(os.environ["OPTIONS"]),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_prefetch_multiplier=2,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


def record(*words: object) -> None:
    """Write a line to the ledger, which survives crashes of Redis and of workers."""
    with open(os.environ["LEDGER"], "a", encoding="utf-8") as ledger:  # noqa: PTH123 - append is atomic
        ledger.write(" ".join(map(str, words)) + "\n")


@app.task(name="note")
def note(name: str, due: float) -> None:
    record("noted", name, time.time() - due)


@app.task(name="work")
def work(name: str, gate: str) -> None:
    """Run until a file of that name exists."""
    record("began", name)
    while not os.path.exists(gate):  # noqa: PTH110 - cheap
        time.sleep(0.02)
    record("ended", name)
