"""How many messages are in each queue of the broker, for metrics, doctor and Flower."""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import structlog
from amqp.exceptions import NotFound
from kombu.exceptions import OperationalError

from tasks.queues import DELAYED, QueueBacklog
from workers.rabbitmq import DELAY_QUEUES
from workers.transport.channel import Channel
from workers.transport.delayed import delayed_stats

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

log = structlog.get_logger(__name__)

#: Seconds without an answer after which the broker counts as unreachable. Prometheus waits for 10 s in all.
TIMEOUT = 2.0


class BacklogReader:
    """Reads over a connection of its own. It is kept open, because connecting costs more than reading."""

    def __init__(self, app: "Celery", queues: Sequence[str]) -> None:
        timeouts = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
        self._connection: Connection = app.connection_for_write(connect_timeout=TIMEOUT, transport_options=timeouts)
        self.queues = queues
        self._lock = Lock()

    def __call__(self) -> dict[str, QueueBacklog]:
        """Return what `read` does, or nothing while the broker is unreachable, which is logged."""
        try:
            return self.read()
        except self.connection_errors as error:
            log.warning("broker unreachable", error=error)
            return {}

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """The errors that mean that the broker is unreachable."""
        return (OperationalError, *self._connection.connection_errors)

    def read(self) -> dict[str, QueueBacklog]:
        """Return the backlog of each queue that exists. Raises `connection_errors`.

        Delayed messages in RabbitMQ are counted under `DELAYED`, whichever queue they are for.
        """
        with self._lock:
            try:
                return self._read()
            except self.connection_errors:
                self._connection.collect()  # it may have been idle for too long
            try:
                return self._read()
            except self.connection_errors:
                self._connection.collect()
                raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.release()

    def _read(self) -> dict[str, QueueBacklog]:
        self._connection.ensure_connection(max_retries=0)
        channel = self._connection.default_channel
        return self._read_redis(channel) if isinstance(channel, Channel) else self._read_rabbitmq()

    def _read_redis(self, channel: Channel) -> dict[str, QueueBacklog]:
        ready = channel.queues.lengths(self.queues)
        delayed = delayed_stats(channel.queues.client, self.queues, channel.global_keyprefix)
        return {queue: QueueBacklog(ready[queue], delayed[queue].count, delayed[queue].lag) for queue in self.queues}

    def _read_rabbitmq(self) -> dict[str, QueueBacklog]:
        found = {queue: QueueBacklog(ready) for queue in self.queues if (ready := self._count(queue)) is not None}
        delayed = self._count(*DELAY_QUEUES)
        return found if delayed is None else {**found, DELAYED: QueueBacklog(0, delayed)}

    def _count(self, *queues: str) -> int | None:
        """Return how many messages RabbitMQ has in queues, or `None` if one does not exist."""
        with self._connection.channel() as channel:  # RabbitMQ closes it for a queue that does not exist
            try:
                return sum(int(channel.queue_declare(queue, passive=True).message_count) for queue in queues)
            except NotFound:
                return None
