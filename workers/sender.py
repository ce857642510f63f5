"""How poll messages leave: as Celery tasks with a countdown."""

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from tasks.queues import poll_priority, poll_queue
from willcall.stores.orders import Message

log = structlog.get_logger(__name__)


class CelerySender:
    """Sends over the application's broker connection pool; safe to share between threads."""

    def __init__(self, app: Celery) -> None:
        """`app` names the broker."""
        self._app = app

    def send_polls(self, account: str, messages: list[Message], now: float) -> None:
        """Send messages of one account; a broker that is away is noted, for the due index has the orders."""
        queue = poll_queue(account)
        try:
            with self._app.producer_pool.acquire(block=True) as producer:
                for message in messages:
                    self._app.send_task(
                        "tasks.poll",
                        args=(message.order_id, message.seq, account),
                        countdown=max(0.0, message.due - now),
                        queue=queue,
                        priority=poll_priority(message),
                        producer=producer,
                    )
        except OperationalError as error:
            log.warning("broker away", account=account, messages=len(messages), error=type(error).__name__)
