"""The Celery application for the configured broker: Redis with our transport (docs/transport.md), or RabbitMQ."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from celery import Celery
from kombu.entity import Queue

from tasks.queues import AT_ITS_SLOT, ORDINARY, SUBMIT
from willcall.stores.connection import SOCKET_TIMEOUT, sentinel_options
from willcall.stores.redis_urls import SENTINEL_SCHEME, SentinelUrl, for_kombu, is_sentinel, read_sentinel_url
from workers import rabbitmq
from workers.remote_control import SETTINGS, WillcallCelery
from workers.transport.redis import install_transport

#: Seconds after which Redis gives a message of a dead worker to another one: longer than any attempt takes.
VISIBILITY_TIMEOUT = 60


def celery_app(url: str, queues: Sequence[str]) -> Celery:
    """Return a Celery application that is set up for its broker."""
    scheme = urlsplit(url).scheme
    if scheme in {"amqp", "amqps"}:
        app: Celery = rabbitmq.RabbitCelery("willcall", set_as_current=True)
        app.conf.update(rabbitmq.settings(queues) | SETTINGS, broker_url=url)
        return app
    install_transport()
    app, settings = WillcallCelery("willcall", set_as_current=True), _redis_settings(queues)
    if scheme == "rediss" and "ssl_" not in urlsplit(url).query:
        url += f"{'&' if urlsplit(url).query else '?'}ssl_cert_reqs=required"  # kombu accepts any certificate otherwise
    if is_sentinel(url):
        sentinels = read_sentinel_url(url)
        url = _kombu_url(sentinels)
        settings["broker_transport_options"] |= {
            "master_name": sentinels.master,
            "sentinel_kwargs": sentinel_options(sentinels),
        }
    elif url.startswith("redis"):
        url, options = for_kombu(url)
        settings["broker_transport_options"] |= options
    app.conf.update(settings | SETTINGS, broker_url=url)
    return app


def _redis_settings(queues: Sequence[str]) -> dict[str, Any]:
    return {
        "task_queues": [Queue(name) for name in queues],
        "worker_prefetch_multiplier": 1,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            "priority_steps": [AT_ITS_SLOT, ORDINARY],
            "shared_queues": [SUBMIT],
            "socket_timeout": SOCKET_TIMEOUT,
            "socket_connect_timeout": SOCKET_TIMEOUT,
            "socket_keepalive": True,
        },
    }


def _kombu_url(sentinels: SentinelUrl) -> str:
    """Return one URL per Sentinel, each with the credentials and the database of Redis, as kombu wants them."""
    credentials = f"{quote(sentinels.username or '', '')}:{quote(sentinels.password or '', '')}@"
    addresses = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in sentinels.sentinels)
    return ";".join(f"{SENTINEL_SCHEME}://{credentials}{address}/{sentinels.database}" for address in addresses)
