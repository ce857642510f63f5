"""What a process makes of a new configuration: all kinds of processes, and workers."""

from collections.abc import Collection
from functools import partial

from celery import Celery

from tasks.queues import poll_queue, queue_names
from willcall.config import Config
from willcall.providers.registry import ADAPTERS
from willcall.runtime.composition import change_context
from willcall.runtime.live_config import Commit, LiveConfig
from willcall.usecases.accounts import use_new_credentials
from workers.app import divide_slots
from workers.backlog import BacklogReader
from workers.bulkhead import create_bulkhead
from workers.log_redaction import Redactor, secret_values


def follow(live: LiveConfig, app: Celery, redactor: Redactor) -> None:
    """Have logs and use cases follow the configuration. Each task and each request uses one context to its end."""
    live.subscribe(partial(_prepare_redactor, redactor))  # first, so that no new secret is logged
    live.subscribe(partial(_prepare_context, app))


def follow_in_worker(live: LiveConfig, app: Celery, concurrency: int, chosen: Collection[str]) -> None:
    """Have a worker follow the configuration, which serves the `chosen` queues, or all if there are none."""
    live.subscribe(partial(_prepare_slots, app, concurrency, chosen))
    live.after(lambda old: use_new_credentials(app.willcall, old.accounts))


def follow_queues(live: LiveConfig, backlogs: BacklogReader) -> None:
    """Have what shows the queues follow the configuration."""

    def prepare(config: Config) -> Commit:
        return partial(setattr, backlogs, "queues", queue_names(config))

    live.subscribe(prepare)


def max_threads(config: Config, concurrency: int, chosen: Collection[str]) -> int:
    """Return how many threads a worker needs, whichever providers are added. One that is not needed is not started."""
    if chosen:
        return divide_slots(config, concurrency, chosen).threads
    poll_queues = [poll_queue(provider) for provider in ADAPTERS]
    return create_bulkhead(concurrency, {*queue_names(config), *poll_queues}, poll_queues).threads


def _prepare_redactor(redactor: Redactor, config: Config) -> Commit:
    return partial(redactor.add, secret_values(config))


def _prepare_context(app: Celery, config: Config) -> Commit:
    context, added = change_context(app.willcall, config), config.accounts.keys() - app.willcall.accounts.keys()
    queues = [app.make_queue(name) for name in queue_names(config)]

    def commit() -> None:
        before = app.willcall
        for queue in queues:
            if queue.name not in app.amqp.queues:
                app.amqp.queues.add(queue)
        app.willcall = context
        context.meters.add_accounts(added)
        if before.outbound is not context.outbound:
            before.outbound.close()

    return commit


def _prepare_slots(app: Celery, concurrency: int, chosen: Collection[str], config: Config) -> Commit:
    slots = divide_slots(config, concurrency, chosen)
    served = list(chosen) or queue_names(config)

    def commit() -> None:
        app.bulkhead.divide(slots)
        app.served_queues = served
        app.heartbeat.detail = {**app.heartbeat.detail, "queues": ",".join(served)}

    return commit
