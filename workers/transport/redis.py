"""The transports of `redis://` and `sentinel://`, and their installation in kombu."""

from typing import Any

from kombu import transport
from kombu.transport import redis as stock

from willcall.stores.connection import sentinel_options
from willcall.stores.redis_address import RedisAddress
from workers.transport.channel import Channel
from workers.transport.poller import Poller


def install_transport() -> None:
    """Make this the transport of all Redis URLs. Call it before the first connection; repeating it is harmless."""
    for scheme, cls in {"redis": RedisTransport, "rediss": RedisTransport, "sentinel": SentinelTransport}.items():
        transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{cls.__name__}"
        transport._transport_cache.pop(scheme, None)  # noqa: SLF001 - kombu caches what it looked up


class RedisTransport(stock.Transport):
    """The transport of `redis://`."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Take part in a worker's event loop."""
        super().register_with_event_loop(connection, loop)
        self.cycle.attach(loop)

    def _collect(self, _: Any) -> None:
        """Drop a broken connection, or the parent's after a fork, without talking to Redis."""
        for channel in {*self.channels, *self._avail_channels}:
            channel.abandon()
        self.cycle.close()
        self.channels.clear()
        self._avail_channels.clear()


class SentinelChannel(Channel, stock.SentinelChannel):  # type: ignore[misc]  # our connections
    """The channel of `sentinel://`, which needs our address."""

    from_transport_options = Channel.from_transport_options
    address: RedisAddress

    @property
    def master_name(self) -> str | None:
        """The name that the Sentinels know the master by."""
        return self.address.master

    @property
    def sentinel_kwargs(self) -> dict[str, Any]:
        """How to connect to the Sentinels."""
        return sentinel_options(self.address)

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        parameters = super()._connparams(*args, **kwargs)
        parameters["host"], parameters["port"] = self.address.hosts[0]  # kombu's, if there is no other Sentinel
        return parameters


class SentinelTransport(RedisTransport, stock.SentinelTransport):
    """The transport of `sentinel://`."""

    Channel = SentinelChannel
