"""How a worker takes messages: whatever others put into its queues, it goes on."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import structlog
from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from willcall.stores.connection import StoreError
from willcall.stores.dead_letters import DeadLetterReason
from workers.broker import postpone
from workers.messages import raw_message, rejection_reason

log = structlog.get_logger(__name__)

#: Seconds after which a message that could not be put aside is tried again.
AGAIN = 5.0
#: Seconds before the second try to connect to a broker that is away; each further one waits as much longer.
FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
#: Seconds after which a connection that is lost did not fail at once.
STABLE = 10.0


class Consumer(consumer.Consumer):
    """Celery's consumer, which puts messages that no task can take among the dead letters, and outlives outages."""

    _connected_at, _lost = float("-inf"), 0

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        known = {name for name in self.app.tasks if not name.startswith("celery.")}

        def on_task_received(message: Any) -> None:
            reason = rejection_reason(message, known)
            try:
                if reason is None and not postpone(self.app, message):
                    handle(message)
            except (TypeError, ValueError, AttributeError):  # a header that Celery takes for granted to make sense
                log.warning("message cannot be taken", exc_info=True)
                reason = DeadLetterReason.MALFORMED
            if reason and not message.acknowledged:
                self.put_aside(message, reason)

        return on_task_received

    def put_aside(self, message: Any, reason: DeadLetterReason) -> None:
        """Keep a message for people, once, and acknowledge it."""
        try:
            store_dead_letter(self.app, message, reason)
        except StoreError as error:
            log.warning("dead letter not kept yet", queue=_queue_of(message), why=reason.text, error=error)
            self.timer.call_after(AGAIN, message.requeue)
        else:
            message.ack()

    # A broker that is away, or does not serve.

    def connect(self) -> Any:
        """Connect to the broker, sooner or later; not at once where the last connection was lost soon."""
        now = monotonic()
        self._lost = 0 if now - self._connected_at > STABLE else self._lost + 1
        self._sleep(min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (self._lost - 1)) if self._lost else 0.0)
        connection = super().connect()
        self._connected_at = monotonic()
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """Try until the broker serves. That it is away is said once, and that it is back."""
        away = False

        def failed(error: Exception, interval: float) -> None:  # noqa: ARG001 - kombu's signature
            nonlocal away
            if not away:
                log.warning("broker away", error=error)
            away = True

        conn = conn.ensure_connection(
            failed,
            interval_start=FIRST_WAIT,
            interval_step=FIRST_WAIT,
            interval_max=LONGEST_WAIT,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        if away:
            log.info("broker back")
        return conn

    def _sleep(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            maybe_shutdown()
            sleep(min(left, FIRST_WAIT))

    # What Celery itself finds wrong with a message.

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """Its body cannot be read."""
        self.put_aside(message, DeadLetterReason.UNREADABLE)

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's signature
        """It is not a task message."""
        self.put_aside(message, DeadLetterReason.MALFORMED)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """There is no such task."""
        self.put_aside(message, DeadLetterReason.UNKNOWN_TASK)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002 - Celery's signature
        """A header of it makes no sense."""
        self.put_aside(message, DeadLetterReason.MALFORMED)


def store_dead_letter(app: Any, message: Any, reason: DeadLetterReason) -> None:
    """Put a message (kombu's) among the dead letters. Raises StoreError."""
    queue = _queue_of(message)
    app.willcall.stores.dead_letters.add(queue, reason, raw_message(message))
    log.error("dead letter", queue=queue, why=reason.text)


def _queue_of(message: Any) -> str:
    info = message.delivery_info
    return str(info.get("queue") or info.get("routing_key") or "")
