"""The baseline: the poll job as one would write it with plain Celery on Redis, tuned as well as its options allow.

One GET, one HSET, and the task sends itself with a countdown. Stock kombu transport. It runs in processes of its own,
which learn their job from the environment, see `environment`.
"""

import os
import time
from collections.abc import Mapping
from threading import local

import requests
from celery import Celery, Task
from redis import Redis

#: Names of environment variables: the broker, where the provider's orders are, the key it is asked with, and the
#: seconds until the next poll of an order.
BROKER, ORDERS, KEY, COUNTDOWN = "PLAIN_BROKER", "PLAIN_ORDERS", "PLAIN_KEY", "PLAIN_COUNTDOWN"
#: Set where the task is to come back by `retry`, which costs more than sending itself.
RETRY = "PLAIN_RETRY"

#: Settings that a reader of the figures may want to know. More prefetching was no faster.
SETTINGS = {
    "task_acks_late": True,
    "task_ignore_result": True,
    "worker_prefetch_multiplier": 4,
    "worker_send_task_events": False,
    "worker_disable_rate_limits": True,
    "broker_pool_limit": 100,
}
#: Options of the worker's command.
WORKER = ("--pool=threads", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR")

app = Celery("plain", broker=os.environ.get(BROKER), set_as_current=False)
app.conf.update(
    SETTINGS,
    task_serializer="json",
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_transport_options={"socket_keepalive": True},
)

_thread = local()
_redis = Redis.from_url(os.environ[BROKER]) if BROKER in os.environ else None


def environment(broker: str, orders: str, key: str, countdown: float) -> Mapping[str, str]:
    """The environment of a process of the baseline."""
    return {**os.environ, BROKER: broker, ORDERS: orders, KEY: key, COUNTDOWN: str(countdown)}


def redis() -> Redis:
    """The process's pool of connections; without an environment there is none."""
    if _redis is None:
        raise RuntimeError(f"{BROKER} is not set")
    return _redis


def ask(reference: str) -> str:
    """GET an order's status, on the thread's own session, which reads no environment because that is slow."""
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
        _thread.session.trust_env = False
        _thread.session.headers["Authorization"] = f"Token {os.environ[KEY]}"
    url = f"{os.environ[ORDERS]}/{reference}/tickets"
    status: str = _thread.session.get(url, params={"lang": "en"}, timeout=(3, 10)).json()["order_status"]
    return status


def state_key(order_id: str) -> str:
    """Hash: an order's `status`, and by how many seconds each attempt was late under the epoch second it began."""
    return f"plain:{order_id}"


@app.task(name="plain.poll", bind=True)
def poll(self: Task, order_id: str, reference: str, due: float) -> None:
    """Ask once, write what came, come back. `due` is when this attempt was to begin, epoch seconds."""
    began = time.time()
    status = ask(reference)
    redis().hset(state_key(order_id), mapping={"status": status, f"{began:.4f}": f"{began - due:.4f}"})
    if status == "pending":
        countdown = float(os.environ[COUNTDOWN])
        again = (order_id, reference, time.time() + countdown)
        if RETRY in os.environ:
            raise self.retry(args=again, countdown=countdown, max_retries=None)
        self.apply_async(again, countdown=countdown)
