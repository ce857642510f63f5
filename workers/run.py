"""Run one process of each kind in the foreground."""

import os
import sys
from contextlib import closing

import structlog
from celery.bin.celery import celery

from tasks.queues import queue_names
from willcall.config import Config, ConfigError
from willcall.orders.errors import FieldError
from willcall.runtime.heartbeat import BEAT, Heartbeat, process_name
from willcall.stores.connection import connect, probe
from workers.app import CONCURRENCY, create_app
from workers.backlog import BacklogReader
from workers.bootsteps import send_heartbeats
from workers.broker import check_connection
from workers.logs import configure_logging
from workers.metrics_server import metrics_server
from workers.scheduler import SweepScheduler

log = structlog.get_logger(__name__)

#: Seconds that a thread runs before another one may: with Python's 5 ms, a request whose token is taken would leave
#: tens of milliseconds later, behind all threads that want to run.
SWITCH_INTERVAL = 0.001

#: Seconds of silence after which the API takes Redis for away: somebody waits, and will ask again.
API_TIMEOUT = 2.0


def run_worker(
    config: Config, concurrency: int = CONCURRENCY, queues: list[str] | None = None, metrics_port: int | None = None
) -> int:
    """A worker, until it is told to stop; `metrics_port` in place of the configured one. Returns its exit code."""
    configure_logging(config)
    if config.settings.notify.secret is None:
        log.warning("callbacks are unsigned", why="notify.secret is not set")
    sys.setswitchinterval(SWITCH_INTERVAL)
    taken = queues or queue_names(config)
    names = ",".join(taken)
    app = create_app(config, concurrency, taken)
    metrics = config.settings.metrics
    port = metrics.port if metrics_port is None else metrics_port
    with (
        metrics_server(app.willcall.meters.registry, metrics.host, port) as address,
        Heartbeat(app.willcall.stores.processes, "worker", {"queues": names, "metrics": address or "none"}) as pulse,
    ):
        send_heartbeats(app, pulse)
        celery.params[0].default = app
        # `app.worker_main` would keep the code for itself.
        code = celery.main(
            standalone_mode=False,
            args=[
                "--quiet",
                "worker",
                "--pool=threads",
                f"--concurrency={app.bulkhead.threads}",
                f"--queues={names}",
                f"--hostname={process_name()}",
                "--loglevel=INFO",
                "--without-gossip",
                "--without-mingle",
            ],
        )
    return int(code or 0)


def run_beat(config: Config) -> None:
    """The clock of the sweeps, until it is told to stop. Any number of them may run."""
    configure_logging(config)
    app = create_app(config)
    with Heartbeat(app.willcall.stores.processes, "beat") as app.pulse:
        scheduler = f"{SweepScheduler.__module__}:{SweepScheduler.__qualname__}"
        options = [f"--scheduler={scheduler}", f"--max-interval={BEAT:g}", "--loglevel=INFO", "--pidfile="]
        app.start(["--quiet", "beat", *options])


def run_api(config: Config, host: str, port: int) -> None:
    """The HTTP API, until it is told to stop. Raises ConfigError where it must not listen there, OSError."""
    # FastAPI takes longer to import than all the rest; the other processes do without.
    from willcall.api.app import create_api  # noqa: PLC0415
    from willcall.api.server import listen, loopback_only, serve  # noqa: PLC0415

    exposed = not loopback_only(host)
    if exposed and not config.settings.api.keys:
        raise ConfigError(
            [FieldError("api.keys", f"is empty, and without keys the API listens on loopback, not {host}")]
        )
    configure_logging(config)
    app = create_app(config, redis_timeout=API_TIMEOUT)
    context = app.willcall
    state = connect(config.settings.redis_url, timeout=API_TIMEOUT)
    parts = {"redis": lambda: probe(state), "broker": lambda: check_connection(app)}
    with closing(BacklogReader(app, queue_names(config))) as queues, listen(host, port) as listener:
        api = create_api(context, parts, queues, exposed=exposed)
        log.info("listening", host=host, port=listener.getsockname()[1], keys=len(config.settings.api.keys))
        serve(api, listener, api.stop)


def run_flower(config: Config, address: str, port: int) -> None:
    """The dashboard of tasks, until it is told to stop. Raises ConfigError where it must not listen there, OSError."""
    # Flower takes a while to import, and starting it is all that this process does.
    from willcall.api.server import loopback_only  # noqa: PLC0415
    from workers import flower  # noqa: PLC0415

    if not flower.has_password(os.environ) and not loopback_only(address):
        why = f"is not set, and without a password Flower listens on loopback, not {address}"
        raise ConfigError([FieldError(flower.PASSWORDS, why)])
    configure_logging(config)
    flower.run(create_app(config), queue_names(config), address, port)
