"""RabbitMQ as the broker: its queues, and countdowns by Celery's native delayed delivery. See docs/rabbitmq.md."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from amqp.exceptions import AMQPError, MessageNacked, NotFound
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport.native_delayed_delivery import (
    MAX_LEVEL,
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    level_name,
)

from tasks.queues import AT_ITS_SLOT, SUBMIT
from willcall.stores.connection import SOCKET_TIMEOUT
from workers.remote_control import WillcallCelery
from workers.transport.delayed import parse_eta

log = structlog.get_logger(__name__)

#: The exchange of our queues. A Celery app that submits declares `willcall` as a direct exchange.
EXCHANGE = "willcall.tasks"
#: Seconds between heartbeats, and seconds to wait until RabbitMQ confirms that a message is safe.
HEARTBEAT, CONFIRM_TIMEOUT = 30, 5.0
#: Messages that a worker prefetches per thread. Most of them wait there for the last fraction of their second, and no
#: others are fetched meanwhile.
PREFETCH = 4
#: A message that is due later than in this many seconds is delayed again, for at most so long at a time.
MIN_DELAY, MAX_DELAY = 3.0, 2 ** (MAX_LEVEL + 1) - 1
#: Priorities, where the higher number is more urgent. Quorum queues support them from version 4 on.
HIGH, NORMAL = 9, 0
#: The queues in which RabbitMQ keeps delayed messages.
DELAY_QUEUES = [level_name(level) for level in range(MAX_LEVEL + 1)]


def settings(queues: Sequence[str]) -> dict[str, Any]:
    """Return Celery's settings for this broker."""
    return {
        "task_queues": [_queue(name) for name in queues],
        "worker_prefetch_multiplier": PREFETCH,
        "broker_heartbeat": HEARTBEAT,
        "broker_connection_timeout": SOCKET_TIMEOUT,
        # Without it a message counts as sent when it has left this machine.
        "broker_transport_options": {"confirm_publish": True},
    }


def _queue(name: str) -> Queue:
    """Return a queue that delayed delivery can reach, which takes a topic exchange; a quorum queue enables it.

    That of submissions is a classic one, as any Celery app declares it by default: RabbitMQ refuses other declarations.
    """
    arguments = None if name == SUBMIT else {"x-queue-type": "quorum"}
    return Queue(name, Exchange(EXCHANGE, type="topic"), name, queue_arguments=arguments)


class _Dispatcher(EventDispatcher):
    """Keeps a worker's events, which only monitors need, until the worker has its connection back.

    Celery retries `worker-online` and `worker-heartbeat` without end if they cannot be sent, even when the worker is
    stopping.
    """

    def send(self, *args: Any, **options: Any) -> Any:
        """Try once."""
        return super().send(*args, **{**options, "retry": False})


class _Events(Events):
    dispatcher_cls = f"{__name__}:{_Dispatcher.__qualname__}"


class RabbitCelery(WillcallCelery):
    """Sends countdowns of any length, and raises the same error whenever RabbitMQ does not accept a message."""

    events_cls = f"{__name__}:{_Events.__qualname__}"

    def make_queue(self, name: str) -> Queue:
        """Return the declaration of a queue for task messages."""
        return _queue(name)

    def prepare_queue(self, connection: Any, queue: Queue) -> None:
        """Connect a new queue with delayed delivery, as Celery does with all queues when a worker starts."""
        bind_queue_to_native_delayed_delivery_exchange(connection, queue)

    def postpone(self, message: Any) -> bool:
        """Delay a message that is not due yet. Returns whether it was delayed.

        Our own messages arrive a second early at most. A stock application sends its messages straight to a queue, so
        they arrive at once, and Celery would keep them in memory. Over Redis the transport does this.
        """
        due = parse_eta(message.headers.get("eta") if "task" in message.headers else message.payload.get("eta"))
        delay = (due - datetime.now(UTC)).total_seconds() if due else 0.0
        if delay < MIN_DELAY:
            return False
        properties = {name: message.properties.get(name) for name in ("priority", "correlation_id")}
        try:
            with self.producer_or_acquire() as producer:
                producer.publish(
                    message.body,
                    exchange=DELAY_QUEUES[-1],
                    routing_key=calculate_routing_key(min(int(delay), MAX_DELAY), SUBMIT),
                    content_type=message.content_type,
                    content_encoding=message.content_encoding,
                    headers=message.headers,
                    confirm_timeout=CONFIRM_TIMEOUT,
                    declare=[],
                    **properties,
                )
        except (OperationalError, AMQPError, OSError) as error:  # Celery keeps it in memory then
            log.warning("broker unreachable", sending="delayed message", error=error)
            return False
        message.ack()
        return True

    def send_task(
        self, name: str, args: Any = None, kwargs: Any = None, countdown: float | None = None, **options: Any
    ) -> Any:
        """Send a task as Celery does. Raises OperationalError if the broker did not accept the message.

        Delayed delivery knows whole seconds and leaves the rest to the worker. It refuses less than a second, so that
        is left to the worker here.
        """
        if countdown and countdown < 1:
            due = datetime.now(UTC) + timedelta(seconds=countdown)
            options["headers"] = {**(options.get("headers") or {}), "eta": due.isoformat()}
            countdown = None
        if "priority" in options:
            options["priority"] = HIGH if options["priority"] == AT_ITS_SLOT else NORMAL
        options.pop("declare", None)  # a message to a queue that nobody has declared yet would be dropped
        try:
            return super().send_task(name, args, kwargs, countdown, confirm_timeout=CONFIRM_TIMEOUT, **options)
        except (NotFound, MessageNacked) as error:  # no worker has declared delayed delivery; RabbitMQ lacks resources
            raise OperationalError(str(error)) from error
