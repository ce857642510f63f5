"""The baseline: polling as one would write it with plain Celery on Redis, tuned as well as its options allow.

One GET, one HSET, and the task sends itself with a countdown, over the stock kombu transport. It runs in processes of
its own, which are configured by environment variables (see `environment`).

`python -m bench.performance.plain_celery` submits orders to it and prints how many seconds that took.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from threading import local
from typing import TYPE_CHECKING

import requests
from celery import Celery, Task
from redis import Redis

from bench.performance.orders import batches, countdowns, order_id, reference

if TYPE_CHECKING:
    from kombu.messaging import Producer

#: Environment variables: the broker, the URL of the provider's orders, its API key, and the seconds between polls.
BROKER, ORDERS, KEY, COUNTDOWN = "PLAIN_BROKER", "PLAIN_ORDERS", "PLAIN_KEY", "PLAIN_COUNTDOWN"
#: Environment variable: if set, the task reschedules itself by `retry`, which costs more than `apply_async`.
RETRY = "PLAIN_RETRY"

#: Settings that the page lists. More prefetching was not faster.
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
    return {**os.environ, BROKER: broker, ORDERS: orders, KEY: key, COUNTDOWN: str(countdown)}


def redis() -> Redis:
    if _redis is None:
        raise RuntimeError(f"{BROKER} is not set")
    return _redis


def get_status(reference: str) -> str:
    """GET an order's status with the thread's own session, which ignores the environment because reading it is slow."""
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
        _thread.session.trust_env = False
        _thread.session.headers["Authorization"] = f"Token {os.environ[KEY]}"
    url = f"{os.environ[ORDERS]}/{reference}/tickets"
    status: str = _thread.session.get(url, params={"lang": "en"}, timeout=(3, 10)).json()["order_status"]
    return status


def state_key(order_id: str) -> str:
    """Return the key of a hash with the `status` of an order, and the lateness of each attempt by its start time."""
    return f"plain:{order_id}"


@app.task(name="plain.poll", bind=True)
def poll(self: Task, order_id: str, reference: str, due: float) -> None:
    """Poll once, store the status, reschedule. `due` is when this attempt was due (epoch seconds)."""
    began = time.time()
    status = get_status(reference)
    redis().hset(state_key(order_id), mapping={"status": status, f"{began:.4f}": f"{began - due:.4f}"})
    if status == "pending":
        countdown = float(os.environ[COUNTDOWN])
        again = (order_id, reference, time.time() + countdown)
        if RETRY in os.environ:
            raise self.retry(args=again, countdown=countdown, max_retries=None)
        self.apply_async(again, countdown=countdown)


def submit_one_by_one(due: Mapping[int, float], producer: "Producer") -> None:
    """Submit orders one at a time, as a web request would."""
    for number, countdown in due.items():
        redis().hset(state_key(order_id(number)), "status", "pending")
        send_first_poll(number, countdown, producer)


def submit_in_batches(due: Mapping[int, float], producer: "Producer") -> None:
    """Submit orders in batches: their states in one pipeline, their messages in a batch of kombu."""
    for batch in batches(list(due)):
        with redis().pipeline(transaction=False) as pipeline:
            for number in batch:
                pipeline.hset(state_key(order_id(number)), "status", "pending")
            pipeline.execute()
        with producer.batch(max_size=len(batch)):
            for number in batch:
                send_first_poll(number, due[number], producer)


def send_first_poll(number: int, countdown: float, producer: "Producer") -> None:
    arguments = (order_id(number), reference(number), time.time() + countdown)
    poll.apply_async(arguments, countdown=countdown or None, producer=producer, retry=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance.plain_celery")
    for name in ("first", "count"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("from", "to"):
        parser.add_argument(f"--{name}", type=float, default=0.0, dest=name + "_", help="countdown, seconds")
    parser.add_argument("--batch", action="store_true")
    given = parser.parse_args()
    due = countdowns(range(given.first, given.first + given.count), (given.from_, given.to_))
    submit = submit_in_batches if given.batch else submit_one_by_one
    with app.producer_pool.acquire(block=True) as producer:
        producer.connection.ensure_connection()
        redis().ping()  # the connections are open
        started = time.perf_counter()
        submit(due, producer)
        sys.stdout.write(f"{time.perf_counter() - started}\n")


if __name__ == "__main__":
    main()
