"""A worker, which runs tasks.

On SIGTERM, Celery lets running tasks finish. Then the transport returns all other messages (`Channel.close`).
"""

import sys
from collections.abc import Sequence

import structlog

from willcall.http.client import tls_context
from willcall.runtime.heartbeat import HeartbeatSender, process_name
from willcall.runtime.live_config import LiveConfig
from workers.app import CONCURRENCY, create_app
from workers.bootsteps import reload_on_hangup, send_heartbeats
from workers.logs import configure_logging
from workers.metrics_server import metrics_server
from workers.reload import follow, follow_in_worker, max_threads
from workers.startup import refuse_unusable_servers

log = structlog.get_logger(__name__)

#: Seconds after which a running thread yields to others. With Python's 5 ms, a request that has its token would wait
#: for tens of milliseconds behind all threads that want to run.
SWITCH_INTERVAL = 0.001


def run_worker(
    live: LiveConfig, concurrency: int = CONCURRENCY, queues: Sequence[str] = (), metrics_port: int | None = None
) -> int:
    """Run a worker and return its exit code; `metrics_port` replaces the configured one."""
    config = live.config
    refuse_unusable_servers(config)
    redactor = configure_logging(config)
    if not config.settings.signs_callbacks:
        log.warning("callbacks are unsigned", why="notify.secret is not set")
    sys.setswitchinterval(SWITCH_INTERVAL)
    tls_context()  # before the worker is ready, so that its first request does not wait for it
    app = create_app(config, concurrency, queues)
    follow(live, app, redactor)
    follow_in_worker(live, app, concurrency, queues)
    reload_on_hangup(app, live)
    metrics = config.settings.metrics
    port = metrics.port if metrics_port is None else metrics_port
    with metrics_server(app.willcall.meters.registry, metrics.host, port) as address:
        detail = {"queues": ",".join(app.served_queues), "metrics": address or "none"}
        with live, HeartbeatSender(app.willcall.stores.processes, "worker", detail, live=live) as heartbeat:
            send_heartbeats(app, heartbeat)
            worker = app.Worker(  # the command line of Celery would import four times as much
                hostname=process_name(),
                queues=app.served_queues,
                pool="threads",
                concurrency=max_threads(config, concurrency, queues),
                loglevel="INFO",
                quiet=True,
                without_gossip=True,
                without_mingle=True,
            )
            worker.start()
    return int(worker.exitcode or 0)
