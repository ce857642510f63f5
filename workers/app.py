"""The Celery application, with the settings that do not depend on the broker."""

from collections.abc import Collection
from functools import partial
from typing import Any

from celery import Celery
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from schedules.tasks import beat_schedule
from tasks.queues import SUBMIT, poll_queue, queue_names
from willcall.config import Config
from willcall.runtime.composition import build_context
from willcall.stores.connection import SOCKET_TIMEOUT
from workers.bootsteps import SlotLimitStep
from workers.broker import celery_app
from workers.bulkhead import Bulkhead, create_bulkhead
from workers.dead_letters import store_dead_letter
from workers.host_limits import HostLimits
from workers.sender import CelerySender

#: Default number of threads for polls. Polls mostly wait for a provider, but with each additional thread all of them
#: wait longer for the interpreter lock. To poll more at once, start more workers.
CONCURRENCY = 8

TASK_MODULES = ("tasks.submit", "tasks.poll", "tasks.notify", "tasks.alert", "tasks.documents", "schedules.tasks")


def create_app(
    config: Config,
    concurrency: int = CONCURRENCY,
    queues: Collection[str] = (),
    redis_timeout: float = SOCKET_TIMEOUT,
) -> Celery:
    """Return an application that can send tasks and run them; `queues` are those it serves, all by default.

    Tasks find what they need in its attributes: `willcall` (the context of the use cases, which a reload replaces),
    `bulkhead`, `host_limits` and `store_dead_letter`. A worker serves the queues in `served_queues`.
    """
    app = celery_app(config.broker_url, queue_names(config))
    app.conf.update(_settings(config))
    app.willcall = build_context(config, CelerySender(app), redis_timeout)
    app.bulkhead = divide_slots(config, concurrency, queues)
    app.served_queues = list(queues) or queue_names(config)
    app.steps["consumer"].add(SlotLimitStep)
    app.store_dead_letter = partial(store_dead_letter, app)
    app.host_limits = HostLimits(app.bulkhead, concurrency)
    app.loader.import_default_modules()
    for module in TASK_MODULES:
        app.loader.import_task_module(module)
    for name, task in app.tasks.items():
        if not name.startswith("celery."):  # an outage is logged without a stack per task
            task.throws = (*task.throws, RedisConnectionError, RedisTimeoutError)
    return app


def divide_slots(config: Config, concurrency: int, queues: Collection[str] = ()) -> Bulkhead:
    """Return the slots of a worker that serves `queues`, all by default."""
    poll_queues = sorted({poll_queue(key) for key in config.accounts})
    return create_bulkhead(concurrency, queues or queue_names(config), poll_queues)


def _settings(config: Config) -> dict[str, Any]:
    return {
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_default_queue": SUBMIT,
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_send_sent_event": False,
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2},
        "worker_consumer": "workers.consumer:Consumer",
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_schedule": beat_schedule(config.settings.sweeps),
        "timezone": "UTC",
        "enable_utc": True,
    }
