"""Flower, the dashboard of tasks and workers. It is read-only and shows no secrets."""

import os
from collections.abc import Callable, Collection, Mapping, MutableMapping
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any

from flower import urls
from flower.app import Flower
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import ErrorHandler, authenticated

from tasks.queues import queue_names
from willcall.api.server import loopback_only
from willcall.config import ConfigError
from willcall.orders.errors import FieldError
from willcall.runtime import hangup
from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from willcall.runtime.live_config import LiveConfig
from willcall.setting_types.files import SecretFile
from workers.app import create_app
from workers.backlog import BacklogReader
from workers.host_header import accepts_host
from workers.logs import configure_logging
from workers.reload import follow, follow_queues
from workers.startup import refuse_unusable_servers

#: The environment variable with its users: `name:password`, separated by commas. An option of the command would be
#: visible in the process list.
PASSWORDS = "FLOWER_BASIC_AUTH"
#: The variable of a file with them instead, one per line.
PASSWORDS_FILE = "FLOWER_BASIC_AUTH_FILE"

#: Seconds to wait at the end for workers to stop sending events.
STOP_TIMEOUT = 2.0


def run_flower(live: LiveConfig, address: str, port: int) -> None:
    """Run Flower. Raises ConfigError if it must not listen on that address, OSError if it cannot."""
    _read_password_file(os.environ)
    if not _has_password(os.environ) and not loopback_only(address):
        why = f"is not set, and without a password Flower listens on loopback, not {address}"
        raise ConfigError([FieldError(PASSWORDS, why)])
    refuse_unusable_servers(live.config)
    redactor = configure_logging(live.config)
    app = create_app(live.config)
    follow(live, app, redactor)
    urls.handlers.insert(0, (r"/metrics", _Metrics))
    if not _has_password(os.environ):
        Flower.find_handler = _host_checker(address)
    if "FLOWER_BROKER_API" not in os.environ:  # RabbitMQ's management API says more
        backlogs = BacklogReader(app, queue_names(live.config))
        follow_queues(live, backlogs)
        broker = _Broker(backlogs)
        BaseHandler.get_broker = lambda _: broker
    settings = Path(__file__).with_name("flower_config.py")
    with live, HeartbeatSender(app.willcall.stores.processes, "flower", live=live) as heartbeat:
        IOLoop.current().add_callback(PeriodicCallback(heartbeat.beat, BEAT * 1_000).start)
        hangup.handle(live.request)
        app.start(["flower", f"--conf={settings}", f"--address={address}", f"--port={port}"])
    stop_events = Thread(target=app.control.disable_events, daemon=True)
    stop_events.start()
    stop_events.join(STOP_TIMEOUT)
    if stop_events.is_alive():  # the broker is unreachable, and Flower's own threads would wait for it
        os._exit(0)


def _read_password_file(environment: MutableMapping[str, str]) -> None:
    """Set the passwords from the file that `FLOWER_BASIC_AUTH_FILE` names. Raises ConfigError."""
    path = environment.get(PASSWORDS_FILE)
    if path:
        try:
            users = SecretFile(PASSWORDS_FILE, path, beside=PASSWORDS in environment).read_many()
        except ValueError as error:
            raise ConfigError([FieldError(PASSWORDS, str(error))]) from None
        environment[PASSWORDS] = ",".join(users)


def _has_password(environment: Mapping[str, str]) -> bool:
    """Return whether Flower requires a login. Raises ConfigError for passwords that cannot be entered."""
    users = [user.partition(":") for user in environment.get(PASSWORDS, "").split(",") if PASSWORDS in environment]
    if not all(name and password and (name + password).isascii() for name, _, password in users):
        raise ConfigError([FieldError(PASSWORDS, "must be name:password in ASCII, several separated by commas")])
    return bool(users or environment.get("FLOWER_AUTH"))


def _host_checker(address: str) -> Callable[..., Any]:
    """Return the method of Flower's application that rejects requests for another host than this machine."""
    find_handler = Flower.find_handler

    def find_handler_for_host(flower: Flower, request: HTTPServerRequest, **options: Any) -> Any:
        if accepts_host(request.headers.get("Host", ""), address):
            return find_handler(flower, request, **options)
        return flower.get_handler_delegate(request, ErrorHandler, {"status_code": HTTPStatus.MISDIRECTED_REQUEST})

    return find_handler_for_host


class _Broker:
    """The queues as our metrics show them: over any broker, with delayed messages."""

    def __init__(self, backlogs: BacklogReader) -> None:
        self._backlogs = backlogs

    async def queues(self, _: Collection[str]) -> list[dict[str, Any]]:
        """Return the rows of Flower's broker page: all queues, including those that no worker serves."""
        found = await IOLoop.current().run_in_executor(None, self._backlogs)
        return [
            {"name": name, "messages": queue.ready + (queue.waiting or 0), "messages_ready": queue.ready}
            for name, queue in found.items()
        ]


class _Metrics(Metrics):
    """Flower's metrics, with a password: they contain names of tasks and workers."""

    @authenticated
    async def get(self) -> None:
        """Serve them as Flower does."""
        await super().get()
