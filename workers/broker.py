"""The Celery application for the configured broker: Redis with our transport (docs/transport.md), or RabbitMQ."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu.entity import Queue

from tasks.queues import AT_ITS_SLOT, ORDINARY, SUBMIT
from willcall.stores.redis_address import RedisAddress, parse_address
from workers import rabbitmq
from workers.remote_control import SETTINGS, WillcallCelery
from workers.transport.redis import install_transport

#: Seconds after which Redis gives a message of a dead worker to another one: longer than any attempt takes.
VISIBILITY_TIMEOUT = 60


def celery_app(url: str, queues: Sequence[str]) -> Celery:
    """Return a Celery application that is set up for its broker."""
    if urlsplit(url).scheme in {"amqp", "amqps"}:
        app: Celery = rabbitmq.RabbitCelery("willcall", set_as_current=True)
        app.conf.update(rabbitmq.settings(queues) | SETTINGS, broker_url=url)
        return app
    install_transport()
    app, address = WillcallCelery("willcall", set_as_current=True), parse_address(url)
    app.conf.update(_redis_settings(queues, address) | SETTINGS, broker_url=address.kombu_url)
    return app


def _redis_settings(queues: Sequence[str], address: RedisAddress) -> dict[str, Any]:
    options = {
        "address": address,
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "priority_steps": [AT_ITS_SLOT, ORDINARY],
        "shared_queues": [SUBMIT],
    }
    if address.options.get("health_check_interval"):  # kombu's own, which must not be 0
        options["health_check_interval"] = address.options["health_check_interval"]
    return {
        "task_queues": [Queue(name) for name in queues],
        "worker_prefetch_multiplier": 1,
        "broker_transport_options": options,
    }
