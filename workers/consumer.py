"""A worker's consumer, which survives invalid messages and broker outages."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import structlog
from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from willcall.stores.connection import StoreError
from willcall.stores.dead_letters import DeadLetterReason
from workers.dead_letters import queue_of, store_dead_letter
from workers.validation import rejection_reason

log = structlog.get_logger(__name__)

#: Seconds after which a message that could not be stored as a dead letter is tried again.
RETRY_DELAY = 5.0
#: Seconds before the second try to connect to the broker; each further wait is longer by as much.
MIN_BACKOFF, MAX_BACKOFF = 0.5, 5.0
#: A connection that lasted for this many seconds was stable.
STABLE_AFTER = 10.0


class Consumer(consumer.Consumer):
    """Stores messages that no task can process as dead letters, and logs an outage once."""

    _connected_at, _failures = float("-inf"), 0

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the function that is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        known_tasks = {name for name in self.app.tasks if not name.startswith("celery.")}

        def on_task_received(message: Any) -> None:
            reason = rejection_reason(message, known_tasks)
            try:
                if reason is None and not self.app.postpone(message):
                    handle(message)
            except (TypeError, ValueError, AttributeError):  # a header that Celery expects to be valid
                log.warning("invalid message", exc_info=True)
                reason = DeadLetterReason.MALFORMED
            if reason and not message.acknowledged:
                self.reject(message, reason)

        return on_task_received

    def reject(self, message: Any, reason: DeadLetterReason) -> None:
        """Store a message as a dead letter and acknowledge it, or try again later."""
        try:
            store_dead_letter(self.app, message, reason)
        except StoreError as error:
            log.warning("dead letter not stored", queue=queue_of(message), why=reason.text, error=error)
            self.timer.call_after(RETRY_DELAY, message.requeue)
        else:
            message.ack()

    # Connecting to the broker

    def connect(self) -> Any:
        """Connect to the broker, after a pause if the last connection did not last long."""
        now = monotonic()
        self._failures = 0 if now - self._connected_at > STABLE_AFTER else self._failures + 1
        self._sleep(min(MAX_BACKOFF, MIN_BACKOFF * 2.0 ** (self._failures - 1)) if self._failures else 0.0)
        connection = super().connect()
        self._connected_at = monotonic()
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """Retry until the broker accepts the connection. Logs the outage once, and its end."""
        failed = False

        def on_error(error: Exception, *_: Any) -> None:
            nonlocal failed
            if not failed:
                log.warning("broker unreachable", error=error)
            failed = True

        conn = conn.ensure_connection(
            on_error,
            interval_start=MIN_BACKOFF,
            interval_step=MIN_BACKOFF,
            interval_max=MAX_BACKOFF,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        if failed:
            log.info("broker reconnected")
        return conn

    def _sleep(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            maybe_shutdown()
            sleep(min(left, MIN_BACKOFF))

    # Messages that Celery itself rejects

    def on_decode_error(self, message: Any, *_: Any) -> None:
        """Reject a message with an unreadable body."""
        self.reject(message, DeadLetterReason.UNREADABLE)

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        """Reject what is not a task message."""
        self.reject(message, DeadLetterReason.MALFORMED)

    def on_unknown_task(self, _body: Any, message: Any, *_: Any) -> None:
        """Reject an unknown task."""
        self.reject(message, DeadLetterReason.UNKNOWN_TASK)

    def on_invalid_task(self, _body: Any, message: Any, *_: Any) -> None:
        """Reject a task with invalid headers."""
        self.reject(message, DeadLetterReason.MALFORMED)
