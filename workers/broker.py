"""What the broker decides: how queues are declared, what connections are like, how a countdown leaves.

Redis, by our own transport (docs/transport.md), unless the broker is RabbitMQ (docs/rabbitmq.md).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from amqp.exceptions import AMQPError, MessageNacked, NotFound
from celery import Celery
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport.native_delayed_delivery import (
    CELERY_DELAYED_DELIVERY_EXCHANGE,
    MAX_LEVEL,
    calculate_routing_key,
    level_name,
)

from tasks.queues import AT_ITS_SLOT, ORDINARY, SUBMIT
from willcall.stores.connection import SOCKET_TIMEOUT, sentinel_options
from willcall.stores.redis_url import for_kombu
from willcall.stores.sentinel import SCHEME, SentinelUrl, is_sentinel, read_url
from workers.remote_control import SETTINGS, WillcallCelery
from workers.transport import redis
from workers.transport.delayed import parse_eta

log = structlog.get_logger(__name__)

#: Seconds after which Redis gives a message that a dead worker had fetched to another one: longer than any attempt.
VISIBILITY_TIMEOUT = 60

#: RabbitMQ: the exchange of our queues. A Celery app that submits declares `willcall` as a direct exchange.
EXCHANGE = "willcall.tasks"
#: RabbitMQ: seconds between signs of life, and seconds to wait until a message is safe.
HEARTBEAT, CONFIRM_TIMEOUT = 30, 5.0
#: RabbitMQ: messages that a worker fetches from one queue, per thread. Most of them wait there for the last part of
#: their second, and no more are fetched meanwhile.
PREFETCH = 4
#: RabbitMQ: messages that are due in more seconds than these are put back to wait, at most so long at a time.
EARLY, LONGEST_DELAY = 3.0, 2 ** (MAX_LEVEL + 1) - 1
#: RabbitMQ: what is more urgent has the higher number there. Quorum queues heed it from version 4 on.
HIGH, NORMAL = 9, 0


def celery_app(url: str, queues: Sequence[str]) -> Celery:
    """A Celery application that is set up for its broker."""
    if urlsplit(url).scheme in {"amqp", "amqps"}:
        app, settings = _RabbitCelery("willcall", set_as_current=True), _rabbitmq(queues)
    else:
        redis.install_transport()
        app, settings = WillcallCelery("willcall", set_as_current=True), _redis(queues)
    if urlsplit(url).scheme == "rediss" and "ssl_" not in urlsplit(url).query:
        url += f"{'&' if urlsplit(url).query else '?'}ssl_cert_reqs=required"  # kombu would believe any certificate
    if is_sentinel(url):
        sentinels = read_url(url)
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


def reach(app: Celery) -> None:
    """Connect to the broker, once. Raises whatever its driver raises where it cannot be had."""
    with _connected(app) as connection:
        connection.channel().close()


def delays_countdowns(app: Celery) -> bool:
    """RabbitMQ: whether a worker has set up what countdowns go through. Raises as `reach` does."""
    names = [CELERY_DELAYED_DELIVERY_EXCHANGE, *(level_name(level) for level in range(MAX_LEVEL + 1))]
    with _connected(app) as connection:
        channel = connection.channel()
        try:
            for name in names:
                channel.exchange_declare(name, type="topic", passive=True)
        except NotFound:
            return False
    return True


def postpone(app: Celery, message: Any) -> bool:
    """RabbitMQ: have a message that is for later wait there, as ours do; whether it was.

    Ours come a second early at most. Those that a stock application sends straight to a queue come at once, and Celery
    would keep them in memory. Over Redis the transport does this.
    """
    if not isinstance(app, _RabbitCelery):
        return False
    due = parse_eta(message.headers.get("eta") if "task" in message.headers else message.payload.get("eta"))
    delay = (due - datetime.now(UTC)).total_seconds() if due else 0.0
    if delay < EARLY:
        return False
    try:
        with app.producer_or_acquire() as producer:
            producer.publish(
                message.body,
                exchange=level_name(MAX_LEVEL),
                routing_key=calculate_routing_key(min(int(delay), LONGEST_DELAY), SUBMIT),
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                headers=message.headers,
                confirm_timeout=CONFIRM_TIMEOUT,
                declare=[],
                **{
                    name: message.properties[name]
                    for name in ("priority", "correlation_id")
                    if name in message.properties
                },
            )
    except (OperationalError, AMQPError, OSError) as error:  # Celery keeps it, which is no worse than before
        log.warning("broker away", sending="a message that is for later", error=error)
        return False
    message.ack()
    return True


@contextmanager
def _connected(app: Celery) -> Iterator[Connection]:
    """A connection of its own, by a single try: somebody waits for the answer."""
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        yield connection


def _redis(queues: Sequence[str]) -> dict[str, Any]:
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
    """The same as kombu has it: a URL for each Sentinel, with what is Redis' own in all of them."""
    credentials = f"{quote(sentinels.username or '', '')}:{quote(sentinels.password or '', '')}@"
    places = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in sentinels.sentinels)
    return ";".join(f"{SCHEME}://{credentials}{place}/{sentinels.database}" for place in places)


def _rabbitmq(queues: Sequence[str]) -> dict[str, Any]:
    return {
        "task_queues": [_rabbit_queue(name) for name in queues],
        "worker_prefetch_multiplier": PREFETCH,
        "broker_heartbeat": HEARTBEAT,
        "broker_connection_timeout": SOCKET_TIMEOUT,
        # Without it a message counts as sent when it has left this machine.
        "broker_transport_options": {"confirm_publish": True},
    }


def _rabbit_queue(name: str) -> Queue:
    """A queue that Celery's delayed delivery can reach, which takes a topic exchange; quorum queues switch it on.

    That of submissions is a classic one, as any Celery app declares it by default: another declaration is refused.
    """
    arguments = None if name == SUBMIT else {"x-queue-type": "quorum"}
    return Queue(name, Exchange(EXCHANGE, type="topic"), name, queue_arguments=arguments)


class _Dispatcher(EventDispatcher):
    """Keeps a worker's events, of which the monitors live, until the worker has its connection back.

    Celery tries `worker-online` and `worker-heartbeat` again and again where they cannot be sent, and does not heed
    that the worker is told to stop.
    """

    def send(self, *args: Any, **options: Any) -> Any:
        """Try once."""
        return super().send(*args, **{**options, "retry": False})


class _Events(Events):
    dispatcher_cls = f"{__name__}:{_Dispatcher.__qualname__}"


class _RabbitCelery(WillcallCelery):
    """Sends countdowns of any length, and tells of all that may keep RabbitMQ from taking a message alike."""

    events_cls = f"{__name__}:{_Events.__qualname__}"

    def send_task(
        self, name: str, args: Any = None, kwargs: Any = None, countdown: float | None = None, **options: Any
    ) -> Any:
        """As Celery does. Raises OperationalError where the broker did not take the message.

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
        except (NotFound, MessageNacked) as error:  # no worker has set up delayed delivery yet; the broker is short
            raise OperationalError(str(error)) from error
