"""Beat, which sends the sweeps when they are due. Any number of beats may run."""

import signal
from types import FrameType
from typing import Any

import structlog
from celery.apps.beat import Beat
from celery.beat import ScheduleEntry, Scheduler, SchedulingError, Service

from schedules.tasks import beat_schedule
from willcall.runtime import hangup
from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from willcall.runtime.live_config import LiveConfig
from workers.app import create_app
from workers.logs import configure_logging
from workers.reload import follow
from workers.startup import refuse_unusable_servers

log = structlog.get_logger(__name__)

#: Seconds that beat has to end. A broker that accepts a connection and never answers would hold it for good.
_END_TIMEOUT = 10


def run_beat(live: LiveConfig) -> None:
    """Run beat."""
    refuse_unusable_servers(live.config)
    redactor = configure_logging(live.config)
    app = create_app(live.config)
    follow(live, app, redactor)
    with live, HeartbeatSender(app.willcall.stores.processes, "beat", live=live) as app.heartbeat:
        hangup.handle(live.request)
        SweepBeat(app=app, scheduler=SweepScheduler, max_interval=BEAT, loglevel="INFO", quiet=True).run()


class SweepBeat(Beat):
    """Ends between two ticks. Celery's own ends at once, also within a message that it sends.

    Celery then closes the connection, and over RabbitMQ waits without end for an answer that it has read half of.
    """

    def install_sync_handler(self, service: Service) -> None:
        """Handle SIGTERM and SIGINT."""

        def on_signal(_: int, __: FrameType | None) -> None:
            service.scheduler.ending = True
            signal.alarm(_END_TIMEOUT)

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)


class SweepScheduler(Scheduler):
    """Sends at most one sweep that is due at each tick. It sends heartbeats, and survives an unreachable broker."""

    #: Celery's own is one producer for good: it never sends again once its connection was lost, and it waits for the
    #: broker without a heartbeat. Without it each sweep takes one from the pool, which reconnects.
    producer = None
    #: Whether the next tick ends this process.
    ending = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._failing = False
        self._sweeps = self.app.willcall.settings.sweeps

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Return the seconds until the next tick."""
        if self.ending:
            raise SystemExit
        self.app.heartbeat.beat()
        sweeps = self.app.willcall.settings.sweeps
        if sweeps != self._sweeps:
            self._sweeps = sweeps
            self.merge_inplace(beat_schedule(sweeps))
            self.old_schedulers = None  # Celery compares it with the schedule, and plans anew where they differ
        delay: float = super().tick(*arguments, **options)
        return delay

    def apply_entry(self, entry: ScheduleEntry, producer: None = None) -> None:
        """Send a sweep, or try again after its interval. An outage is logged once."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not self._failing:
                log.warning("sweep not sent", sweep=entry.name, error=error.__context__)
            self._failing = True
        else:
            if self._failing:
                log.info("sweeps resumed")
            self._failing = False
