"""Beat, which sends the sweeps when they are due. Any number of beats may run."""

from typing import Any

import structlog
from celery.beat import ScheduleEntry, Scheduler, SchedulingError

from willcall.config import Config
from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from workers.app import create_app
from workers.logs import configure_logging
from workers.startup import refuse_unusable_servers

log = structlog.get_logger(__name__)


def run_beat(config: Config) -> None:
    """Run beat."""
    refuse_unusable_servers(config)
    configure_logging(config)
    app = create_app(config)
    with HeartbeatSender(app.willcall.stores.processes, "beat") as app.heartbeat:
        app.Beat(scheduler=SweepScheduler, max_interval=BEAT, loglevel="INFO", quiet=True).run()


class SweepScheduler(Scheduler):
    """Sends at most one sweep that is due at each tick. It sends heartbeats, and survives an unreachable broker."""

    #: Celery's own is one producer for good: it never sends again once its connection was lost, and it waits for the
    #: broker without a heartbeat. Without it each sweep takes one from the pool, which reconnects.
    producer = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._failing = False

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Return the seconds until the next tick."""
        self.app.heartbeat.beat()
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
