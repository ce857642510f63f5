"""How much lies in the queues, on any broker."""

from dataclasses import dataclass

from kombu.exceptions import ChannelError

from tasks.queues import queue_names
from willcall.config import Config
from willcall.stores.connection import connect
from workers.broker import celery_app
from workers.waiting import ready, waiting


@dataclass(frozen=True, slots=True)
class Depth:
    """One queue: messages ready for a worker, and those waiting for their time (None where the broker does not tell).

    `lag`: by how many seconds the oldest of these is overdue.
    """

    ready: int
    waiting: int | None = None
    lag: float = 0.0


def depths(config: Config, timeout: float) -> dict[str, Depth]:
    """Each queue of the configuration. `timeout`: seconds of silence. Raises what the broker's driver raises."""
    names, url = queue_names(config), config.settings.broker_url or config.settings.redis_url
    if url.startswith(("amqp://", "amqps://", "redis+socket://")):  # the last is a form that kombu alone knows
        return _declared(config, names, timeout)
    with connect(url, timeout=timeout) as redis:
        moved, stored = ready(redis, names), waiting(redis, names)
    return {name: Depth(moved[name], stored[name].count, stored[name].lag) for name in names}


def _declared(config: Config, names: list[str], timeout: float) -> dict[str, Depth]:
    app = celery_app(config.broker_url, names)
    app.conf.broker_connection_timeout = timeout
    found = {}
    with app.connection_for_write() as connection:
        connection.connect()
        for name in names:
            try:
                with connection.channel() as channel:
                    found[name] = Depth(channel.queue_declare(name, passive=True).message_count)
            except ChannelError:  # no worker has declared it yet
                found[name] = Depth(0)
    return found
