"""The HTTP API with the board."""

from contextlib import closing

import structlog

from tasks.queues import queue_names
from willcall.api.app import create_api
from willcall.api.server import listen, loopback_only, serve
from willcall.config import Config, ConfigError
from willcall.orders.errors import FieldError
from willcall.runtime import hangup
from willcall.runtime.live_config import Commit, LiveConfig
from willcall.stores.connection import connect, probe
from workers.app import create_app
from workers.backlog import BacklogReader
from workers.broker_checks import check_connection
from workers.logs import configure_logging
from workers.reload import follow, follow_queues
from workers.startup import refuse_unusable_servers

log = structlog.get_logger(__name__)

#: Seconds without an answer after which Redis counts as unreachable. A caller waits, and will ask again.
REDIS_TIMEOUT = 2.0


def run_api(live: LiveConfig, host: str, port: int) -> None:
    """Run the API. Raises ConfigError if it must not listen on that address, OSError if it cannot."""
    config, exposed = live.config, not loopback_only(host)

    def check_keys(changed: Config) -> Commit:
        if exposed and not (changed.settings.api.keys or changed.settings.api.clients):
            why = f"is empty, and without keys the API listens on loopback, not {host}"
            raise ConfigError([FieldError("api.keys", why)])
        return lambda: None

    check_keys(config)
    live.subscribe(check_keys)
    refuse_unusable_servers(config)
    redactor = configure_logging(config)
    app = create_app(config, redis_timeout=REDIS_TIMEOUT)
    follow(live, app, redactor)
    state = connect(config.settings.redis_url, timeout=REDIS_TIMEOUT)
    dependencies = {"redis": lambda: probe(state), "broker": lambda: check_connection(app)}
    with live, closing(BacklogReader(app, queue_names(config))) as backlogs, listen(host, port) as listener:
        follow_queues(live, backlogs)
        api = create_api(lambda: app.willcall, dependencies, backlogs, exposed=exposed, live=live)
        hangup.handle(live.request)
        log.info("listening", host=host, port=listener.getsockname()[1], keys=len(config.settings.api.keys))
        serve(api, listener, api.stop)
