"""Channels: where kombu publishes and consumes messages. They claim messages instead of popping them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from queue import Empty
from time import monotonic
from typing import Any, Protocol

from kombu.transport import redis as stock
from kombu.utils.json import dumps
from redis import Connection, Redis

from willcall.stores.connection import connection_class, connection_options
from willcall.stores.dead_letters import DeadLetterReason
from willcall.stores.keys import BROKER, PROBE
from willcall.stores.redis_address import RedisAddress
from willcall.stores.redis_internals import detecting_outages
from willcall.stores.scripts import pack_arguments
from workers.transport.delayed import without_eta
from workers.transport.encoding import REDELIVERED, parse, placeholder, split_redeliveries
from workers.transport.qos import QoS
from workers.transport.queues import BATCH, MessageClaim, RedisQueues, ScriptCall

#: Seconds between two looks for messages that other applications sent with priorities of their own.
MERGE_INTERVAL = 0.2


class SlotLimiter(Protocol):
    """How many messages of each queue a worker can process; see `workers.bulkhead`."""

    def capacity(self) -> tuple[int, Mapping[str, tuple[int, int]]]:
        """Return the free slots: the shared ones, and per queue its reserved ones and its total.

        A queue that is left out has no limit of its own.
        """

    def occupy(self, queue: str, message: str) -> None:
        """Give a slot to a message that was claimed."""

    def release(self, message: str) -> None:
        """Free the slot of a message that is acknowledged, rejected or returned, if it has one."""


class Channel(stock.Channel):
    """Overrides how kombu stores messages in Redis and takes them from there."""

    QoS = QoS
    # Only the lists of queues have the names that kombu gives them, so that other Celery apps may share the database.
    keyprefix_queue = BROKER + "binding:%s"
    keyprefix_binding_deadlines = BROKER + "binding_deadlines"
    keyprefix_binding_permanent = BROKER + "binding_permanent:%s"
    unacked_restore_limit = BATCH
    #: Queues that other applications, with kombu's stock transport, send to.
    shared_queues: Sequence[str] = ()
    #: Where Redis is. Without it, kombu reads the URL of the connection.
    address: RedisAddress | None = None
    from_transport_options = (*stock.Channel.from_transport_options, "shared_queues", "address")

    #: What limits the claims of each queue, in addition to the prefetch limit.
    slots: SlotLimiter | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._without_ack: set[str] = set()
        self._merged_at = float("-inf")
        super().__init__(*args, **kwargs)
        try:
            self.client.set(f"{self.global_keyprefix}{PROBE}", 1, px=1_000)  # a Redis that answers may refuse writes
        except BaseException:
            self.abandon()
            self.connection.cycle.discard(self)
            raise

    @cached_property
    def queues(self) -> RedisQueues:
        """The queues in Redis. They outlive the channel, so that late acknowledgements still arrive."""
        client = Redis(connection_pool=self.pool)
        return RedisQueues(client, self.global_keyprefix, self.priority_steps, self.shared_queues)

    @property
    def consuming(self) -> bool:
        """Whether this channel claims messages at each check."""
        return bool(self.active_queues) and not self.closed

    @property
    def connection_class(self) -> type:
        """The class of connections, which kombu extends."""
        return connection_class(self.address) if self.address else Connection

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(*args, **kwargs)
        extended = detecting_outages(parameters["connection_class"])
        if self.address is None:
            return {**parameters, "connection_class": extended}
        defaults = {name: parameters[name] for name in ("health_check_interval", "max_connections")}
        # Of a caller who waits for less than the address says, such as /metrics.
        limits = {
            name: parameters[name] for name in ("socket_timeout", "socket_connect_timeout") if parameters.get(name)
        }
        return {**defaults, **connection_options(self.address), **limits, "connection_class": extended}

    # Publishing

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """Leave text as it is: JSON needs no base64."""
        if isinstance(body, str):
            return body, "utf-8"
        encoded: tuple[Any, str | None] = super().encode_body(body, encoding)
        return encoded

    def _put(self, queue: str, message: dict[str, Any], _publish_batch: Any = None, **_: Any) -> None:
        priority = self._get_message_priority(message, reverse=False)
        message, delay = without_eta(message)
        if delay:
            call = self.queues.delay(queue, priority, dumps(message), delay)
        else:
            call = self.queues.publish(queue, priority, dumps(message), self._expires.get(queue))
        if _publish_batch is None:
            call.run()
        else:
            self._add_to_batch(_publish_batch, call)

    def _add_to_batch(self, batch: Any, call: ScriptCall) -> None:
        """Add a call to a pipeline of kombu's client, which prefixes the first key itself."""
        first, *others = call.keys
        keys = [first.removeprefix(self.global_keyprefix), *others]
        batch.pipeline.scripts.add(call.script.registered)
        batch.add("evalsha", call.script.registered.sha, len(keys), *keys, pack_arguments(call.args), call.payload)

    # Consuming

    def claim(self) -> list[MessageClaim]:
        """Claim messages of the queues that this channel consumes from, as far as there are free slots."""
        if monotonic() - self._merged_at >= MERGE_INTERVAL:
            self._merged_at = monotonic()
            self.queues.merge_priorities(self.active_queues)
        return self._claim(self._queue_cycle.consume(len(self.active_queues)), self.qos.max_claims())

    def deliver(self, claims: Iterable[MessageClaim]) -> bool:
        """Pass claimed messages to their consumers. Returns whether there were any."""
        delivered = False
        for claim in claims:
            delivered = True
            queue = claim.queue
            self._queue_cycle.rotate(queue)
            if queue in self._without_ack:
                self.qos.finished.append(claim.tag)
            message = self._parse_claim(claim)
            if message is not None:
                if self.slots and queue not in self._without_ack:
                    self.slots.occupy(queue, claim.tag)
                self.connection._deliver(message, queue)  # noqa: SLF001 - as kombu does
        return delivered

    def basic_get(self, queue: str, *, no_ack: bool = False, **options: Any) -> Any:
        """Return one message or `None`, without waiting."""
        message = super().basic_get(queue, **options)
        if message is not None and no_ack:
            self.qos.ack(message.delivery_tag)
        return message

    def basic_consume(self, queue: str, *, no_ack: bool, **options: Any) -> Any:
        """Start to consume from a queue."""
        if no_ack:
            self._without_ack.add(queue)
        return super().basic_consume(queue, no_ack=no_ack, **options)

    def _basic_cancel(self, consumer_tag: str) -> Any:
        cancelled = super()._basic_cancel(consumer_tag)
        if not self.consuming:  # no claim follows that would carry the acknowledgements
            with suppress(*self.connection_errors):
                self.qos.flush()
        return cancelled

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Wait for the wakeup of any queue that has a free slot.

        Messages of the other queues keep their wakeups set, for other workers. Slots that become free here are noticed
        at the next check.
        """
        shared, slots = self._capacity(BATCH)
        free = [queue for queue in self.active_queues if _has_slot(shared, *slots.get(queue, (BATCH, BATCH)))]
        if free:
            self._in_poll = self.client.connection
            self._brpop_sent_at = monotonic()
            wakeups = map(self.queues.wakeup, free)
            self.client.connection.send_command("BRPOP", *wakeups, timeout or self.brpop_timeout or 0)

    def _brpop_read(self, **options: Any) -> bool:
        """Claim when a wakeup was received. Raises Empty without a message."""
        try:
            woken = self.client.parse_response(self.client.connection, "BRPOP", **options)
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        finally:
            self._in_poll = None
        if not (woken and self.deliver(self.claim())):
            raise Empty
        return True

    def _get(self, queue: str) -> Any:
        while claims := self._claim([queue], 1, limited=False):
            message = self._parse_claim(claims[0])
            if message is not None:
                return message
        raise Empty

    def _claim(self, queues: Sequence[str], max_claims: int, *, limited: bool = True) -> list[MessageClaim]:
        slots = self._capacity(max_claims) if limited else (max_claims, {})
        with self.qos.taking_finished() as finished:
            return self.queues.claim(queues, max_claims, slots, finished)

    def _capacity(self, unlimited: int) -> tuple[int, Mapping[str, tuple[int, int]]]:
        return self.slots.capacity() if self.slots else (unlimited, {})

    def _parse_claim(self, claim: MessageClaim) -> dict[str, Any] | None:
        """Return a claimed message under its new tag, or `None` if it was not due and is delayed again."""
        item, redeliveries = split_redeliveries(claim.message)
        payload, delay = without_eta(parse(item))
        if delay:  # sent by a stock application, which leaves the delay to the worker
            priority = self._get_message_priority(payload, reverse=False)
            self.queues.delay_claimed(claim, priority, dumps(payload), delay)
            return None
        payload["properties"]["delivery_tag"] = claim.tag
        try:
            self.Message(payload, channel=self)
        except (ValueError, LookupError, TypeError, AttributeError):
            payload = placeholder(item, DeadLetterReason.UNREADABLE)
        payload["properties"]["delivery_tag"] = claim.tag
        payload["properties"]["delivery_info"]["queue"] = claim.queue
        if redeliveries:
            payload["headers"]["redelivered"] = True
            payload["headers"][REDELIVERED] = redeliveries
            payload["properties"]["delivery_info"]["redelivered"] = True
        return payload

    # Purging and closing

    def _purge(self, queue: str) -> int:
        ready: int = super()._purge(queue)
        return ready + self.queues.clear(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super()._delete(queue, *args, **kwargs)
        self.queues.clear(queue)

    def close(self) -> None:
        """Close and return what is not acknowledged. If Redis is unreachable, the visibility timeout does that."""
        self._in_poll = None  # a wakeup that arrives now is not needed
        try:
            if not self.closed:
                self.qos.flush()
            super().close()
        except self.connection_errors:
            self.abandon()
        if "queues" in vars(self):
            self.queues.client.connection_pool.disconnect()

    def abandon(self) -> None:
        """Close without talking to Redis. Messages in progress stay claimed and may still be acknowledged."""
        self._closing = self.closed = True
        self._in_poll = self._in_listen = None
        self.qos.restore_at_shutdown = False
        self._disconnect_pools()
        self._close_clients()


def _has_slot(shared: int, reserved: int, total: int) -> bool:
    return min(total, reserved + shared) > 0
