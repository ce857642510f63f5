"""How much is in each queue of the broker: for the metrics, the doctor and Flower."""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import structlog
from amqp.exceptions import NotFound
from kombu.exceptions import OperationalError
from kombu.transport.native_delayed_delivery import MAX_LEVEL, level_name

from tasks.queues import DELAYED, Backlog
from workers.transport.delayed import delayed_stats
from workers.transport.redis import Channel

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection

log = structlog.get_logger(__name__)

#: Seconds of silence after which the broker is away: whoever collects metrics waits for 10 s in all.
PATIENCE = 2.0


class BacklogReader:
    """Asks over a connection of its own, which is kept: to make one costs more than to ask."""

    def __init__(self, app: "Celery", queues: Sequence[str]) -> None:
        """`app` names the broker."""
        quick = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        self._connection: Connection = app.connection_for_write(connect_timeout=PATIENCE, transport_options=quick)
        self._queues = queues
        self._lock = Lock()

    def __call__(self) -> dict[str, Backlog]:
        """What is in the queues; nothing where the broker is away, which is noted."""
        try:
            return self.ask()
        except self.away as error:
            log.warning("broker away", error=error)
            return {}

    @property
    def away(self) -> tuple[type[Exception], ...]:
        """The errors that mean that the broker is away."""
        return (OperationalError, *self._connection.connection_errors)

    def ask(self) -> dict[str, Backlog]:
        """What is in the queues that somebody has made. Raises the errors of `away`.

        What waits in RabbitMQ is counted as that of `DELAYED`, whichever queue it is for.
        """
        with self._lock:
            try:
                return self._ask()
            except self.away:
                self._connection.collect()  # it may have been idle for too long
            try:
                return self._ask()
            except self.away:
                self._connection.collect()
                raise

    def close(self) -> None:
        """Ask no more."""
        self._connection.release()

    def _ask(self) -> dict[str, Backlog]:
        self._connection.ensure_connection(max_retries=0)
        channel = self._connection.default_channel
        return self._redis(channel) if isinstance(channel, Channel) else self._rabbitmq()

    def _redis(self, channel: Channel) -> dict[str, Backlog]:
        ready = channel.ready(self._queues)
        later = delayed_stats(channel.commands, self._queues, channel.key(""))
        return {queue: Backlog(ready[queue], later[queue].count, later[queue].lag) for queue in self._queues}

    def _rabbitmq(self) -> dict[str, Backlog]:
        found = {queue: Backlog(ready) for queue in self._queues if (ready := self._messages(queue)) is not None}
        delayed_stats = self._messages(*(level_name(level) for level in range(MAX_LEVEL + 1)))
        return found if delayed_stats is None else {**found, DELAYED: Backlog(0, delayed_stats)}

    def _messages(self, *queues: str) -> int | None:
        """How many messages RabbitMQ has in queues, None where nobody has made them."""
        with self._connection.channel() as channel:  # asking for a queue that is not there closes it
            try:
                return sum(int(channel.queue_declare(queue, passive=True).message_count) for queue in queues)
            except NotFound:
                return None
