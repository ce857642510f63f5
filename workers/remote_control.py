"""Remote control of our workers: over exchanges of our own, and read-only.

`app.control.shutdown()` of any other Celery application goes to the exchange `celery.pidbox`, where our workers do not
listen. An application that names our exchange on purpose may inspect workers and switch task events on and off, as
Flower does.
"""

from typing import Any

import structlog
from celery import Celery
from celery.app import control
from kombu import pidbox
from kombu.entity import Queue

from tasks.queues import SUBMIT

log = structlog.get_logger(__name__)

#: The commands that workers run. All others would stop or starve a worker, drop messages, or write files.
ALLOWED = frozenset(
    {
        *("ping", "hello", "heartbeat", "clock", "enable_events", "disable_events"),
        *("active", "active_queues", "reserved", "scheduled", "revoked", "registered", "query_task"),
        *("stats", "report", "conf", "memsample", "memdump"),
        *("dump_active", "dump_conf", "dump_reserved", "dump_revoked", "dump_schedule", "dump_tasks"),
    }
)

#: Celery's settings that keep remote control and task events from other applications, and theirs from us.
SETTINGS = {
    "control_exchange": SUBMIT,
    "event_exchange": f"{SUBMIT}.events",
    "event_queue_prefix": f"{SUBMIT}.events",
}


class Node(pidbox.Node):
    """A worker's side of remote control."""

    def handle(self, method: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a command, or answer that it is rejected."""
        if method not in ALLOWED:
            log.warning("remote control command rejected", command=method)
            return {"error": "rejected: remote control cannot change Willcall's workers"}
        return super().handle(method, arguments)


class Mailbox(pidbox.Mailbox):
    """Queues with Willcall's prefix, so that the rights of a Redis user can be limited to it."""

    node_cls = Node
    reply_exchange_fmt = "%s.reply"

    def get_queue(self, hostname: str) -> Queue:
        """Return the queue for commands to a worker."""
        queue: Queue = super().get_queue(hostname)
        queue.name = f"{self.namespace}.pidbox.{hostname}"
        return queue

    def get_reply_queue(self) -> Queue:
        """Return the queue for answers to this process."""
        queue: Queue = super().get_reply_queue()
        queue.name = f"{self.namespace}.reply.{self.oid}"
        return queue


class Control(control.Control):
    """The sending side."""

    Mailbox = Mailbox


class WillcallCelery(Celery):
    """Our application, which may share a broker with others."""

    control_cls = f"{__name__}:{Control.__qualname__}"

    def make_queue(self, name: str) -> Queue:
        """Return the declaration of a queue for task messages."""
        return Queue(name)

    def prepare_queue(self, connection: Any, queue: Queue) -> None:
        """Prepare the broker for countdowns of messages in a new queue. Redis needs nothing."""

    def postpone(self, _: Any) -> bool:
        """Delay a message that is not due yet, if the broker has not done so. Returns whether it was delayed."""
        return False
