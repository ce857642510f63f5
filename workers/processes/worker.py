"""A worker, which runs tasks.

On SIGTERM, Celery lets running tasks finish. Then the transport returns all other messages (`Channel.close`).
"""

import sys

import structlog

from tasks.queues import queue_names
from willcall.config import Config
from willcall.http.client import tls_context
from willcall.runtime.heartbeat import HeartbeatSender, process_name
from workers.app import CONCURRENCY, create_app
from workers.bootsteps import send_heartbeats
from workers.logs import configure_logging
from workers.metrics_server import metrics_server
from workers.startup import refuse_unusable_servers

log = structlog.get_logger(__name__)

#: Seconds after which a running thread yields to others. With Python's 5 ms, a request that has its token would wait
#: for tens of milliseconds behind all threads that want to run.
SWITCH_INTERVAL = 0.001


def run_worker(
    config: Config, concurrency: int = CONCURRENCY, queues: list[str] | None = None, metrics_port: int | None = None
) -> int:
    """Run a worker and return its exit code; `metrics_port` replaces the configured one."""
    refuse_unusable_servers(config)
    configure_logging(config)
    if not config.settings.notify.secret:
        log.warning("callbacks are unsigned", why="notify.secret is not set")
    sys.setswitchinterval(SWITCH_INTERVAL)
    served = queues or queue_names(config)
    tls_context()  # before the worker is ready, so that its first request does not wait for it
    app = create_app(config, concurrency, served)
    metrics = config.settings.metrics
    port = metrics.port if metrics_port is None else metrics_port
    with metrics_server(app.willcall.meters.registry, metrics.host, port) as address:
        detail = {"queues": ",".join(served), "metrics": address or "none"}
        with HeartbeatSender(app.willcall.stores.processes, "worker", detail) as heartbeat:
            send_heartbeats(app, heartbeat)
            worker = app.Worker(  # the command line of Celery would import four times as much
                hostname=process_name(),
                queues=served,
                pool="threads",
                concurrency=app.bulkhead.threads,
                loglevel="INFO",
                quiet=True,
                without_gossip=True,
                without_mingle=True,
            )
            worker.start()
    return int(worker.exitcode or 0)
