"""Steps that Celery runs when a worker's consumer starts and stops, each time the broker connection is made or lost."""

from typing import Any

from celery import Celery, bootsteps

from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from workers.transport.channel import Channel

#: By name, for beat and the API import this module too, and need no worker of Celery.
_TASKS = "celery.worker.consumer.tasks:Tasks"


def send_heartbeats(app: Celery, heartbeat: HeartbeatSender) -> None:
    """Have the event loop of this application's worker send heartbeats."""
    app.heartbeat = heartbeat
    app.steps["consumer"].add(HeartbeatStep)


class SlotLimitStep(bootsteps.StartStopStep):
    """Makes a worker claim only messages for which it has a free slot.

    Messages that were claimed over a connection that is lost keep their slots until they are acknowledged.
    """

    requires = (_TASKS,)

    def start(self, consumer: Any) -> None:
        """Connect the worker's slots with the channel that consumes. RabbitMQ has no such channel."""
        channel, bulkhead = consumer.task_consumer.channel, consumer.app.bulkhead
        bulkhead.assigned_on_claim = isinstance(channel, Channel)
        if bulkhead.assigned_on_claim:
            channel.slots = bulkhead
            bulkhead.on_release = channel.connection.cycle.wake


class HeartbeatStep(bootsteps.StartStopStep):
    """Sends heartbeats from the loop that consumes messages. They pause while the broker is unreachable."""

    requires = (_TASKS,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timers: list[Any] = []
        self._suspend(consumer)

    def start(self, consumer: Any) -> None:
        """Start when the loop runs: steps after this one may still wait for the broker."""

        def beat() -> None:
            consumer.app.heartbeat.suspended = False
            consumer.app.heartbeat.beat()

        self._timers = [consumer.timer.call_after(0, beat), consumer.timer.call_repeatedly(BEAT, beat)]

    def stop(self, consumer: Any) -> None:
        """Pause: the connection is lost, or the worker finishes its last tasks."""
        self._suspend(consumer)
        while self._timers:
            consumer.timer.cancel(self._timers.pop())

    shutdown = stop

    def _suspend(self, consumer: Any) -> None:
        heartbeat: HeartbeatSender = consumer.app.heartbeat
        heartbeat.suspended = True
        heartbeat.beat()
