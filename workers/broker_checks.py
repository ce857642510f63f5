"""Whether the broker can be used, for readiness and the doctor. Each check tries once, because somebody waits."""

from collections.abc import Iterator
from contextlib import contextmanager

from amqp.exceptions import NotFound
from celery import Celery
from kombu.connection import Connection
from kombu.transport.native_delayed_delivery import CELERY_DELAYED_DELIVERY_EXCHANGE

from workers.rabbitmq import DELAY_QUEUES


def check_connection(app: Celery) -> None:
    """Connect to the broker. Raises the errors of its client."""
    with _connect(app) as connection:
        connection.channel().close()


def has_delayed_delivery(app: Celery) -> bool:
    """Return whether a worker has declared what countdowns need in RabbitMQ. Raises as `check_connection` does."""
    with _connect(app) as connection:
        channel = connection.channel()
        try:
            for name in (CELERY_DELAYED_DELIVERY_EXCHANGE, *DELAY_QUEUES):
                channel.exchange_declare(name, type="topic", passive=True)
        except NotFound:
            return False
    return True


@contextmanager
def _connect(app: Celery) -> Iterator[Connection]:
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        yield connection
