"""Run one process of each kind in the foreground."""

import os
import socket
import sys
from pathlib import Path

import structlog

from willcall.config import Config
from workers.app import CONCURRENCY, create_app, queue_names
from workers.logs import configure_logging

log = structlog.get_logger(__name__)

#: Seconds that a thread runs before another one may: with Python's 5 ms, a request whose token is taken would leave
#: tens of milliseconds later, behind all threads that want to run.
SWITCH_INTERVAL = 0.001


def run_worker(config: Config, concurrency: int = CONCURRENCY, queues: list[str] | None = None) -> None:
    """A worker, until it is told to stop."""
    configure_logging()
    if config.settings.notify.secret is None:
        log.warning("callbacks go out unsigned", why="notify.secret is not set")
    sys.setswitchinterval(SWITCH_INTERVAL)
    app = create_app(config, concurrency)
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--pool=threads",
            f"--concurrency={concurrency}",
            f"--queues={','.join(queues or queue_names(config))}",
            f"--hostname=willcall-{os.getpid()}@{socket.gethostname()}",
            "--loglevel=INFO",
            "--without-gossip",
            "--without-mingle",
        ]
    )


def run_beat(config: Config) -> None:
    """The clock of the sweeps, until it is told to stop. Any number of them may run."""
    configure_logging()
    app = create_app(config)
    app.start(["--quiet", "beat", "--loglevel=INFO", "--pidfile="])


def run_flower(config: Config, address: str, port: int) -> None:
    """The dashboard of tasks, until it is told to stop."""
    configure_logging()
    app = create_app(config)
    app.start(
        [
            "flower",
            f"--conf={Path(__file__).with_name('flowerconfig.py')}",
            f"--address={address}",
            f"--port={port}",
        ]
    )
