"""The broker: the same Redis, another one, or RabbitMQ."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING

from willcall.cli.doctor import server
from willcall.cli.doctor.findings import Finding, ok, wrong
from willcall.cli.doctor.patient import REDIS_RETRIES, REDIS_TIMEOUT, TIMEOUT
from willcall.cli.output.console import redact_url
from willcall.stores.connection import connect

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient
    from willcall.config import Config


def check(patient: "Patient") -> list[Finding]:
    """What `broker_url` names."""
    settings = patient.config.settings
    url = settings.broker_url or settings.redis_url
    if url == settings.redis_url:
        patient.redis.ping()
        return [ok("the same Redis, in which countdowns wait too")]
    if url.startswith(("amqp://", "amqps://", "redis+socket://")):  # the last is a form that kombu alone knows
        return _by_kombu(patient.config, redact_url(url))
    with connect(url, timeout=REDIS_TIMEOUT, retries=REDIS_RETRIES) as client:
        return server.examine(client, "broker_url", url, patient.clock)


def _by_kombu(config: "Config", where: str) -> list[Finding]:
    from tasks.queues import queue_names
    from workers.broker import celery_app, check_connection
    from workers.rabbitmq import has_delayed_delivery

    app = celery_app(config.broker_url, queue_names(config))
    app.conf.broker_connection_timeout = TIMEOUT / 2
    try:
        check_connection(app)
        ready = config.broker_url.startswith("redis") or has_delayed_delivery(app)
    except app.connection_for_write().connection_errors as error:
        why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        return [wrong(f"{where} cannot be reached: {why}", "Start it, or correct `broker_url`.")]
    if not ready:
        return [wrong(f"{where} cannot hold countdowns yet", "Start a worker, which sets that up.")]
    return [ok(where)]
