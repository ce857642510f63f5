"""Steps that Celery runs when a worker's consumer starts and stops, each time the broker connection is made or lost."""

from typing import Any

from celery import Celery, bootsteps

from willcall.runtime import hangup
from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from willcall.runtime.live_config import LiveConfig
from workers.transport.channel import Channel

#: By name, for beat and the API import this module too, and need no worker of Celery.
_TASKS = "celery.worker.consumer.tasks:Tasks"


def send_heartbeats(app: Celery, heartbeat: HeartbeatSender) -> None:
    """Have the event loop of this application's worker send heartbeats."""
    app.heartbeat = heartbeat
    app.steps["consumer"].add(HeartbeatStep)


def reload_on_hangup(app: Celery, live: LiveConfig) -> None:
    """Have SIGHUP reload the configuration of this application's worker, and its consumer follow the queues."""
    app.live_config = live
    app.steps["worker"].add(HangupStep)
    app.steps["consumer"].add(QueuesStep)


class HangupStep(bootsteps.StartStopStep):
    """Handles SIGHUP. It starts after Celery has set its own handler, which would restart the worker."""

    def start(self, worker: Any) -> None:
        """Start to handle it."""
        hangup.handle(worker.app.live_config.request)


class QueuesStep(bootsteps.StartStopStep):
    """Makes a worker consume from the queues that it serves, which a reload may change.

    Compared once per second: so it does not matter whether the broker was reachable at the time of the reload.
    """

    requires = (_TASKS,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Start to compare."""
        self._timer = consumer.timer.call_repeatedly(BEAT, self._follow, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Stop to compare."""
        if self._timer:
            consumer.timer.cancel(self._timer)

    shutdown = stop

    def _follow(self, consumer: Any) -> None:
        app, consumed = consumer.app, {queue.name for queue in consumer.task_consumer.queues}
        for name in set(app.served_queues) - consumed:
            app.prepare_queue(consumer.connection, app.amqp.queues[name])
            consumer.add_task_queue(name)
        for name in consumed.difference(app.served_queues):
            consumer.cancel_task_queue(name)


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
