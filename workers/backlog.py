"""How much is in each queue of the broker, for the metrics."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from amqp.exceptions import NotFound
from kombu.exceptions import OperationalError

from tasks.queues import Backlog
from workers.transport import Channel
from workers.waiting import waiting

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

log = structlog.get_logger(__name__)


def backlogs(app: "Celery", queues: Sequence[str]) -> dict[str, Backlog]:
    """What is in the queues, over a connection of its own; nothing where the broker is away, which is noted.

    RabbitMQ keeps what waits apart from the queues, so of it only those that are ready are known.
    """
    with app.connection_for_write() as connection:
        try:
            channel = connection.default_channel
            return _redis(channel, queues) if isinstance(channel, Channel) else _rabbitmq(connection, queues)
        except (OperationalError, *connection.connection_errors) as error:
            log.warning("broker away", error=type(error).__name__)
            return {}


def _redis(channel: Channel, queues: Sequence[str]) -> dict[str, Backlog]:
    ready = channel.ready(queues)
    later = waiting(channel.commands, queues, channel.key(""))
    return {queue: Backlog(ready[queue], later[queue].count, later[queue].lag) for queue in queues}


def _rabbitmq(connection: "Connection", queues: Sequence[str]) -> dict[str, Backlog]:
    found = {}
    for queue in queues:
        with connection.channel() as channel:  # asking for a queue that is not there closes it
            try:
                found[queue] = Backlog(channel.queue_declare(queue, passive=True).message_count)
            except NotFound:
                continue
    return found
