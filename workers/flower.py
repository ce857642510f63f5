"""Flower as we run it: a live view of tasks and workers that changes nothing and shows nothing secret."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

from celery import Celery
from flower import events, urls
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from tornado.ioloop import IOLoop
from tornado.web import authenticated

from willcall.config import ConfigError
from willcall.orders.errors import FieldError
from workers.backlog import BacklogReader

#: The environment variable with those who may see it: `name:password`, several separated by commas. Not an option of
#: the command, which everybody on the machine could read in the list of processes.
PASSWORDS = "FLOWER_BASIC_AUTH"

#: Seconds that the workers get to be told at the end.
STOP_TIMEOUT = 2.0


def has_password(environment: Mapping[str, str]) -> bool:
    """Whether people have to say who they are. Raises ConfigError for passwords that nobody could give."""
    users = [user.partition(":") for user in environment.get(PASSWORDS, "").split(",") if PASSWORDS in environment]
    if not all(name and password and (name + password).isascii() for name, _, password in users):
        raise ConfigError([FieldError(PASSWORDS, "must be name:password in ASCII, several separated by commas")])
    return bool(users or environment.get("FLOWER_AUTH"))


def run(app: Celery, queues: Sequence[str], address: str, port: int) -> None:
    """Serve until a signal; then the workers stop sending task events, which only Flower asks them for."""
    urls.handlers.insert(0, (r"/metrics", _Metrics))
    events.EventsState = _State
    if "FLOWER_BROKER_API" not in os.environ:  # what RabbitMQ's management tells is more
        broker = _Broker(BacklogReader(app, queues))
        BaseHandler.get_broker = lambda _: broker
    settings = Path(__file__).with_name("flowerconfig.py")
    app.start(["flower", f"--conf={settings}", f"--address={address}", f"--port={port}"])
    telling = Thread(target=app.control.disable_events, daemon=True)
    telling.start()
    telling.join(STOP_TIMEOUT)
    if telling.is_alive():  # the broker is away, and Flower's own threads would wait for it before they end
        os._exit(0)


class _Broker:
    """The queues' lengths as the metrics have them: over any broker, and with the messages that wait for their time."""

    def __init__(self, backlogs: BacklogReader) -> None:
        self._backlogs = backlogs

    async def queues(self, _: Collection[str]) -> list[dict[str, Any]]:
        """Rows of Flower's broker page: all queues, for one that no worker serves is worth a look too."""
        found = await IOLoop.current().run_in_executor(None, self._backlogs)
        return [
            {"name": name, "messages": queue.ready + (queue.waiting or 0), "messages_ready": queue.ready}
            for name, queue in found.items()
        ]


class _Metrics(Metrics):
    """Flower's figures, which name tasks and workers: Flower itself shows them without a password."""

    @authenticated
    async def get(self) -> None:
        """As Flower writes them."""
        await super().get()


class _State(events.EventsState):
    """What workers tell of tasks. What those who send tasks tell would hold all that they sent."""

    def event(self, event: dict[str, Any]) -> None:
        """Take one event."""
        if event["type"] != "task-sent":
            super().event(event)
