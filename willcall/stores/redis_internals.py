"""All uses of redis-py beyond its documented interface, each with the test that fails if it changes.

- A connection outside the pool: `connection_kwargs`, `connection_class`, `retry`, `pack_commands`, `read_response`.
  `tests/integration/stores/test_scripts.py`
- Replies that mean "not serving": `read_response` and `on_connect_check_health` of connections.
  `tests/integration/stores/test_outages.py`
- The master asked for before each retry: `connect_to`, `get_master_address`, `send_packed_command`.
  `tests/e2e/test_sentinel.py`
"""

from collections.abc import Sequence
from functools import cache
from threading import local
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.sentinel import SentinelManagedConnection

from willcall.stores.outages import NotServingError, not_serving_code

if TYPE_CHECKING:
    from redis.connection import ConnectionPool

_connections: "WeakKeyDictionary[ConnectionPool, local]" = WeakKeyDictionary()


def run_commands(pool: "ConnectionPool", commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return the replies to commands sent at once, on a connection that the calling thread keeps.

    Raises the first error, after all replies were read. To connect and to send are each retried as by the client.
    """
    connection: Any = _own_connection(pool)  # its methods carry no types

    def exchange() -> list[Any]:
        connection.send_packed_command(connection.pack_commands(commands))
        return [_read_reply(connection) for _ in commands]

    connection.connect()  # does nothing while connected
    replies: list[Any] = connection.retry.call_with_retry(exchange, lambda _: connection.disconnect())
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies


def _read_reply(connection: Any) -> Any:
    """Return a reply or an error, because more replies follow it."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _own_connection(pool: "ConnectionPool") -> Any:
    """Return the calling thread's connection, made as the pool makes its own. It ends with the thread or the pool."""
    threads = _connections.setdefault(pool, local())
    if not hasattr(threads, "connection"):
        threads.connection = pool.connection_class(**pool.connection_kwargs)
    return threads.connection


class MasterConnection(SentinelManagedConnection):
    """A connection that asks the Sentinels for the master before every retry.

    redis-py's own retries the address that it has just lost.
    """

    def send_packed_command(self, command: Any, *args: Any, **kwargs: Any) -> None:
        if not self.is_connected:
            self.connect_to(self.connection_pool.get_master_address())  # type: ignore[no-untyped-call]
        super().send_packed_command(command, *args, **kwargs)  # type: ignore[no-untyped-call]


class MasterTlsConnection(MasterConnection, SSLConnection):
    """The same with TLS."""


class _OutageDetection:
    """Raises NotServingError and closes the connection if the server answers that it does not serve."""

    _logging_in = False

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        """Log in. redis-py itself knows which errors of that it may ignore."""
        self._logging_in = True
        try:
            super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._logging_in = False

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except (ResponseError, RedisConnectionError) as error:
            code = None if self._logging_in else not_serving_code(error)
            if code is None:
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise NotServingError(code) from None


@cache
def detecting_outages(connection_class: type) -> type:
    """Return a class of connections that treats a server which does not serve as unavailable."""
    if issubclass(connection_class, _OutageDetection):
        return connection_class
    return type(connection_class.__name__, (_OutageDetection, connection_class), {})
