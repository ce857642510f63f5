"""The transports of `redis://` and `sentinel://`, and their installation in kombu."""

from typing import Any

from kombu import transport
from kombu.transport import redis as stock

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


class SentinelChannel(Channel, stock.SentinelChannel):
    """The channel of `sentinel://`."""

    from_transport_options = (*stock.SentinelChannel.from_transport_options, "shared_queues")


class SentinelTransport(RedisTransport, stock.SentinelTransport):
    """The transport of `sentinel://`."""

    Channel = SentinelChannel
