"""The broker and its queues."""

from collections.abc import Mapping, Sequence
from contextlib import closing

from tasks.queues import QueueBacklog, queue_names
from willcall.cli.doctor.checks.redis_server import check_server
from willcall.cli.doctor.context import CHECK_TIMEOUT, REDIS_RETRIES, REDIS_TIMEOUT, CheckContext
from willcall.cli.doctor.findings import Finding, error, ok, unknown, warning
from willcall.cli.output.console import redact_url
from willcall.config import Config
from willcall.orders.troubles import SYSTEM_TROUBLES
from willcall.stores.connection import connect
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.redis_address import is_redis
from willcall.views.formatting import format_count, format_duration, format_relative
from workers.backlog import BacklogReader
from workers.broker import celery_app
from workers.broker_checks import check_connection, has_delayed_delivery

#: Seconds by which a queue may be behind.
LATE = 5.0
#: Messages of a queue without a worker from which on there are too few workers.
MANY = 1_000


def check_broker(context: CheckContext) -> list[Finding]:
    """Check the broker: the same Redis, another one, or RabbitMQ."""
    settings = context.config.settings
    url = settings.broker_url or settings.redis_url
    if url == settings.redis_url:
        context.redis.ping()
        return [ok("the same Redis, which also stores countdowns")]
    if not is_redis(url):
        return _check_rabbitmq(context.config, redact_url(url))
    with connect(url, timeout=REDIS_TIMEOUT, retries=REDIS_RETRIES) as client:
        return check_server(client, "broker_url", url, context.clock)


def _check_rabbitmq(config: Config, where: str) -> list[Finding]:
    app = celery_app(config.broker_url, queue_names(config))
    app.conf.broker_connection_timeout = CHECK_TIMEOUT / 2
    try:
        check_connection(app)
        ready = has_delayed_delivery(app)
    except app.connection_for_write().connection_errors as problem:
        why = (isinstance(problem, OSError) and problem.strerror) or type(problem).__name__
        return [error(f"cannot connect to {where}: {why}", "Start it, or correct `broker_url`.")]
    if not ready:
        return [error(f"{where} is not set up for countdowns yet", "Start a worker, which does that.")]
    return [ok(where)]


def check_queues(context: CheckContext) -> list[Finding]:
    """Check that messages move, and that none is a dead letter."""
    names = queue_names(context.config)
    with closing(BacklogReader(celery_app(context.config.broker_url, names), names)) as reader:
        try:
            found = check_backlogs(reader.read())
        except reader.connection_errors:
            found = [unknown("the broker is unreachable")]
    return found + check_dead_letters(context.stores.dead_letters.newest(), context.now())


def check_backlogs(queues: Mapping[str, QueueBacklog]) -> list[Finding]:
    """Check the messages of each queue."""
    found = []
    for name, backlog in queues.items():
        if backlog.lag and backlog.lag > LATE:
            message = f"queue {name} is {format_duration(backlog.lag)} behind"
            found.append(error(message, SYSTEM_TROUBLES["queue_stuck"].remedy, ("workers",)))
        if backlog.ready >= MANY:
            fix = "Start more workers, or wait if the messages have just arrived."
            message = f"{format_count(backlog.ready, 'message')} in {name} wait for a worker"
            found.append(warning(message, fix, ("workers",)))
    ready = sum(backlog.ready for backlog in queues.values())
    scheduled = sum(backlog.waiting or 0 for backlog in queues.values())
    return found or [ok(f"{format_count(ready, 'message')} ready, {scheduled:,} scheduled")]


def check_dead_letters(letters: Sequence[DeadLetter], now: float) -> list[Finding]:
    """Report dead letters, newest first."""
    if not letters:
        return []
    newest = letters[0]
    message = (
        f"{format_count(len(letters), 'message')} could not be processed, "
        f"the last {format_relative(newest.at, now, 1)} from {newest.queue}: it {newest.reason.text}"
    )
    return [warning(message, f"{SYSTEM_TROUBLES['dead_letters'].remedy} `willcall dead-letters` lists them.")]
