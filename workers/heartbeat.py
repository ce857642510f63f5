"""Where the loops of Celery's processes beat: a worker's event loop, and beat's own."""

from typing import Any

import structlog
from celery import Celery, bootsteps
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.worker.consumer.tasks import Tasks

from willcall.runtime.heartbeat import BEAT, Pulse

log = structlog.get_logger(__name__)


def pulse_in_worker(app: Celery, pulse: Pulse) -> None:
    """Let the pulse beat in the event loop of a worker of this application."""
    app.pulse = pulse
    app.steps["consumer"].add(LoopBeat)


class LoopBeat(bootsteps.StartStopStep):
    """A step whose beats come from the loop that takes messages; it stops for as long as the broker is away."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timers: list[Any] = []
        self._rest(consumer)

    def start(self, consumer: Any) -> None:
        """Once the loop turns it must go on. Other steps come before, and wait for a broker that went away again."""

        def turn() -> None:
            consumer.app.pulse.resting = False
            consumer.app.pulse.beat()

        self._timers = [consumer.timer.call_after(0, turn), consumer.timer.call_repeatedly(BEAT, turn)]

    def stop(self, consumer: Any) -> None:
        """The connection is lost, or the worker finishes what it has begun."""
        self._rest(consumer)
        while self._timers:
            consumer.timer.cancel(self._timers.pop())

    shutdown = stop

    def _rest(self, consumer: Any) -> None:
        pulse: Pulse = consumer.app.pulse
        pulse.resting = True
        pulse.beat()


class BeatingScheduler(Scheduler):
    """Beat's scheduler: a tick sends one sweep that is due, if there is one. It outlives a broker that is away."""

    #: Celery's own would be one producer for good, which never sends again once its connection was lost, and which
    #: waits for the broker without a beat. Without it each sweep takes one from the pool, which mends them.
    producer = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._away = False

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Seconds until the next tick."""
        self.app.pulse.beat()
        wait: float = super().tick(*arguments, **options)
        return wait

    def apply_entry(self, entry: ScheduleEntry, producer: None = None) -> None:
        """Send a sweep. One that could not be sent is due again after its interval; that is logged once per outage."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not self._away:
                log.warning("a sweep could not be sent", sweep=entry.name, error=error.__context__)
            self._away = True
        else:
            if self._away:
                log.info("sweeps are sent again")
            self._away = False
