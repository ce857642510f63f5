"""The HTTP API with the board."""

from contextlib import closing

import structlog

from tasks.queues import queue_names
from willcall.api.app import create_api
from willcall.api.server import listen, loopback_only, serve
from willcall.config import Config, ConfigError
from willcall.orders.errors import FieldError
from willcall.stores.connection import connect, probe
from workers.app import create_app
from workers.backlog import BacklogReader
from workers.broker_checks import check_connection
from workers.logs import configure_logging
from workers.startup import refuse_unusable_servers

log = structlog.get_logger(__name__)

#: Seconds without an answer after which Redis counts as unreachable. A caller waits, and will ask again.
REDIS_TIMEOUT = 2.0


def run_api(config: Config, host: str, port: int) -> None:
    """Run the API. Raises ConfigError if it must not listen on that address, OSError if it cannot."""
    exposed = not loopback_only(host)
    if exposed and not config.settings.api.keys:
        why = f"is empty, and without keys the API listens on loopback, not {host}"
        raise ConfigError([FieldError("api.keys", why)])
    refuse_unusable_servers(config)
    configure_logging(config)
    app = create_app(config, redis_timeout=REDIS_TIMEOUT)
    state = connect(config.settings.redis_url, timeout=REDIS_TIMEOUT)
    dependencies = {"redis": lambda: probe(state), "broker": lambda: check_connection(app)}
    with closing(BacklogReader(app, queue_names(config))) as backlogs, listen(host, port) as listener:
        api = create_api(app.willcall, dependencies, backlogs, exposed=exposed)
        log.info("listening", host=host, port=listener.getsockname()[1], keys=len(config.settings.api.keys))
        serve(api, listener, api.stop)
