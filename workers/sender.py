"""Sends messages as Celery tasks with a countdown."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import local
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import BatchPublishError, OperationalError
from kombu.messaging import Producer

from tasks.queues import QUEUES, SWEEPS, TASK_IDS, poll_priority, poll_queue
from willcall.orders.errors import BrokerUnavailableError
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.messages import PollMessage
from workers import dead_letters

log = structlog.get_logger(__name__)


class CelerySender:
    """The `Sender` of every process. Threads may share it."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._thread = local()

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:
        """Send poll messages of one account. An unreachable broker is logged only: the due index has the orders."""
        try:
            if self._publish(account, messages, now):
                return
            with self._app.producer_pool.acquire(block=True) as producer:
                for message in messages:
                    self._app.send_task("tasks.poll", producer=producer, **poll_options(message, account, now))
        except OperationalError as error:
            log.warning("broker unreachable", account=account, messages=len(messages), error=error)

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        """Send another task, whose id is made from its arguments.

        An unreachable broker is logged only, because each of these tasks has an index and a sweep.
        """
        task_id = TASK_IDS[name].format(*args)
        try:
            self._app.send_task(name, args=args, countdown=countdown, queue=QUEUES[name], task_id=task_id)
        except OperationalError as error:
            log.warning("broker unreachable", sending=name, error=error)

    def start_sweep(self, name: str) -> None:
        """Send the task of a sweep, as beat does. Raises BrokerUnavailableError."""
        try:
            self._app.send_task("schedules.sweep", args=[name], queue=SWEEPS)
        except OperationalError as error:
            log.warning("broker unreachable", sending="sweep", error=error)
            raise BrokerUnavailableError from None

    def requeue(self, letter: DeadLetter) -> None:
        """Send a dead letter back to its queue. Raises ValueError, BrokerUnavailableError."""
        try:
            dead_letters.requeue(self._app, letter)
        except OperationalError as error:
            log.warning("broker unreachable", sending="dead letter", error=error)
            raise BrokerUnavailableError from None

    def _publish(self, account: str, messages: list[PollMessage], now: float) -> bool:
        """Publish as `send_task` would on our Redis transport, at a third of its cost.

        Returns False on another broker, and if the connection was lost: `send_task` reconnects and tries again. A
        message that had arrived already is then stale the second time.
        """
        producer, clock = self._producer(), datetime.now(UTC)
        if not producer.supports_batch_publish:
            return False
        try:
            with producer.batch() if len(messages) > 1 else nullcontext():
                for message in messages:
                    options = poll_options(message, account, now)
                    countdown, task_id = options["countdown"], options["task_id"]
                    headers = {
                        **self._template.headers,
                        "id": task_id,
                        "root_id": options["root_id"],
                        "argsrepr": options["argsrepr"],
                        "eta": (clock + timedelta(seconds=countdown)).isoformat() if countdown else None,
                    }
                    producer.publish(
                        (options["args"], *self._template.body[1:]),
                        exchange="",
                        routing_key=options["queue"],
                        priority=options["priority"],
                        serializer="json",
                        headers=headers,
                        correlation_id=task_id,
                        reply_to="",
                    )
        except (BatchPublishError, *producer.connection.recoverable_connection_errors) as error:
            log.info("broker connection lost", account=account, error=error.__cause__ or error)
            producer.connection.collect()
            del self._thread.producer
            return False
        return True

    def _producer(self) -> Producer:
        """Return the thread's own producer. Taking one from the pool costs as much as preparing the message."""
        if not hasattr(self._thread, "producer"):
            self._thread.producer = self._app.amqp.Producer(self._app.connection_for_write(), auto_declare=False)
        producer: Producer = self._thread.producer
        return producer

    @cached_property
    def _template(self) -> Any:
        """What all poll messages have in common, as Celery makes it."""
        return self._app.amqp.create_task_message("", "tasks.poll", argsrepr="", kwargsrepr="{}", ignore_result=None)


def poll_options(message: PollMessage, account: str, now: float) -> dict[str, Any]:
    """Return the options of Celery's `send_task` for a poll message; `now` is the time by the clock of `due`.

    The task's id names the order and the message, and its root is the order's first message. The last options spare
    Celery some work for each message.
    """
    args = (message.order_id, message.seq, account)
    return {
        "args": args,
        "countdown": max(0.0, message.due - now),
        "task_id": f"{message.order_id}:{message.seq}",
        "root_id": f"{message.order_id}:1",
        "queue": poll_queue(account),
        "priority": poll_priority(message),
        "argsrepr": repr(args),
        "kwargsrepr": "{}",
        "declare": [],
    }
