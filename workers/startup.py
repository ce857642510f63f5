"""What is checked before a process starts."""

from contextlib import suppress

from willcall.config import Config, ConfigError
from willcall.orders.errors import FieldError
from willcall.stores.connection import StoreError, connect
from willcall.stores.redis_address import is_redis
from willcall.stores.schema import SchemaStore
from willcall.stores.server_info import find_unusable

#: Seconds to wait for an answer. A server that is unavailable does not keep a process from starting.
TIMEOUT = 2.0


def refuse_unusable_servers(config: Config) -> None:
    """Raise an error if a server can never be used.

    Raises:
        ConfigError: it is a cluster, or too old.
        UnreadableStateError: its state is that of a release that this one cannot follow or go back from.
    """
    urls = {"redis_url": config.settings.redis_url, "broker_url": config.settings.broker_url}
    problems = {setting: _find_unusable(url) for setting, url in urls.items() if is_redis(url)}
    errors = [FieldError(setting, f"cannot be used: {problem}") for setting, problem in problems.items() if problem]
    if errors:
        raise ConfigError(errors)
    with connect(config.settings.redis_url, timeout=TIMEOUT, retries=0) as client, suppress(StoreError):
        SchemaStore(client).open()  # with the first heartbeat, if Redis is unavailable now


def _find_unusable(url: str) -> str | None:
    with connect(url, timeout=TIMEOUT, retries=0) as client:
        try:
            return find_unusable(client)
        except StoreError:
            return None
