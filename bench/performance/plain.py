"""The baseline: the poll job as one would write it with plain Celery on Redis, tuned as well as its options allow.

One GET, one HSET, and the task sends itself with a countdown. Stock kombu transport. It runs in processes of its own,
which learn their job from the environment, see `environment`.
"""

import os
from collections.abc import Mapping
from threading import local

import requests
from celery import Celery, Task
from redis import Redis

#: Seconds until the next poll of an order.
COUNTDOWN = 1.0
#: Messages that a worker fetches ahead per thread.
PREFETCH = 16

#: Names of environment variables: the broker, where the provider's orders are, and the key it is asked with.
BROKER, ORDERS, KEY = "PLAIN_BROKER", "PLAIN_ORDERS", "PLAIN_KEY"

app = Celery("plain", broker=os.environ.get(BROKER))
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=True,
    task_send_sent_event=False,
    worker_send_task_events=False,
    worker_prefetch_multiplier=PREFETCH,
    worker_hijack_root_logger=False,
    broker_pool_limit=100,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 24 * 3600, "socket_keepalive": True},
    task_default_delivery_mode="persistent",
    enable_utc=True,
)

#: Connections are shared between the threads of a process.
redis = Redis.from_url(os.environ[BROKER], decode_responses=True) if BROKER in os.environ else None
_thread = local()


def environment(broker: str, orders: str, key: str) -> Mapping[str, str]:
    """The environment of a process of the baseline."""
    return {**os.environ, BROKER: broker, ORDERS: orders, KEY: key}


def session() -> requests.Session:
    """The thread's own session; it reads no environment, which is what makes requests slow."""
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
        _thread.session.trust_env = False
        _thread.session.headers["Authorization"] = f"Token {os.environ[KEY]}"
    found: requests.Session = _thread.session
    return found


@app.task(name="plain.poll", bind=True)
def poll(self: Task, order_id: str, reference: str, attempts: int) -> None:
    """Ask once, write what came, come back."""
    answer = session().get(f"{os.environ[ORDERS]}/{reference}/tickets", params={"lang": "en"}, timeout=(3, 10))
    status = answer.json()["order_status"]
    if redis is not None:
        redis.hset(f"plain:{order_id}", mapping={"status": status, "attempts": attempts})
    if status == "pending":
        self.apply_async((order_id, reference, attempts + 1), countdown=COUNTDOWN)
