"""How a worker takes messages: whatever others put into its queues, it goes on."""

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker import consumer

from willcall.stores.connection import StoreError
from willcall.stores.dead_letters import Reason
from workers.messages import raw, unusable

log = structlog.get_logger(__name__)

#: Seconds after which a message that could not be put aside is tried again.
AGAIN = 5.0


class Consumer(consumer.Consumer):
    """Celery's consumer, which puts messages that no task can take among the dead letters."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        known = {name for name in self.app.tasks if not name.startswith("celery.")}

        def on_task_received(message: Any) -> None:
            reason = unusable(message, known)
            try:
                if reason is None:
                    handle(message)
            except (TypeError, ValueError, AttributeError):  # a header that Celery takes for granted to make sense
                log.warning("message cannot be taken", exc_info=True)
                reason = Reason.MALFORMED
            if reason and not message.acknowledged:
                self.put_aside(message, reason)

        return on_task_received

    def put_aside(self, message: Any, reason: Reason) -> None:
        """Keep a message for people, once, and acknowledge it."""
        try:
            keep_message(self.app, message, reason)
        except StoreError as error:
            log.warning("dead letter not kept yet", queue=_queue_of(message), why=reason.text, error=error)
            self.timer.call_after(AGAIN, message.requeue)
        else:
            message.ack()

    # What Celery itself finds wrong with a message.

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """Its body cannot be read."""
        self.put_aside(message, Reason.UNREADABLE)

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's signature
        """It is no task message."""
        self.put_aside(message, Reason.MALFORMED)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """There is no such task."""
        self.put_aside(message, Reason.UNKNOWN_TASK)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """A header of it makes no sense."""
        self.put_aside(message, Reason.MALFORMED)


def keep_message(app: Any, message: Any, reason: Reason) -> None:
    """Put a message (kombu's) among the dead letters. Raises StoreError."""
    queue = _queue_of(message)
    app.willcall.stores.dead_letters.add(queue, reason, raw(message))
    log.error("dead letter", queue=queue, why=reason.text)


def _queue_of(message: Any) -> str:
    info = message.delivery_info
    return str(info.get("queue") or info.get("routing_key") or "")
