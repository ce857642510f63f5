"""Countdowns that survive anything: kombu's Redis transport with what it lacks. See docs/transport.md.

A message with a future `eta` waits in a sorted set per queue instead of a worker's memory. Workers claim messages by
one script, which also promotes what is due and forgets what is finished; recorded claims outlive their worker.
Written for kombu 5.7: it overrides private methods, named in the documentation.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from logging import getLogger
from queue import Empty
from socket import socket, socketpair
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from kombu import transport
from kombu.transport import redis as stock
from kombu.transport import virtual
from kombu.utils.json import dumps
from redis import Redis

from willcall.stores.dead_letters import DeadLetterReason
from willcall.stores.keys import BROKER, CLAIMS, CLAIMS_INDEX, PROBE, bell, waiting
from willcall.stores.outages import NotServingError, detecting_outages
from workers.messages import REDELIVERED, parse, placeholder
from workers.transport.delayed import compress, script, without_eta

if TYPE_CHECKING:
    from willcall.stores.scripts import LuaScript

log = getLogger(__name__)


class SlotLimiter(Protocol):
    """How many messages of each queue a worker can process; see `workers.bulkhead`."""

    def capacity(self) -> tuple[int, Mapping[str, tuple[int, int]]]:
        """Return the free slots: the shared ones, and per queue its reserved ones and its total.

        A queue that is left out has no limit of its own.
        """

    def occupy(self, queue: str, message: str) -> None:
        """Give a slot to a message that was claimed."""

    def release(self, message: str) -> None:
        """Free the slot of a message that is acknowledged, rejected or given back, if it has one."""


#: A claimed message: its queue, the tag of the claim, what is stored of it.
Claim = tuple[str, str, bytes]

#: Seconds between two looks of a worker for due messages: half of it is the usual lateness.
TICK = 0.02
#: Seconds between two looks for messages whose priority is no step of ours.
GATHER = 0.2
#: What stock kombu puts between a queue and a priority step: by default, and where Celery's documentation is followed.
SEPARATORS = (stock.Channel.sep, ":")
#: Steps that others may have set, beside 0, whose list has the queue's own name.
STEPS = range(1, 10)
#: Messages that one look moves per queue and claims at most, so that no script holds Redis for long.
BATCH = 100


def install_transport() -> None:
    """Make this the transport of all Redis URLs. To be called before the first connection; again does nothing."""
    for scheme, cls in {"redis": RedisTransport, "rediss": RedisTransport, "sentinel": SentinelTransport}.items():
        transport.TRANSPORT_ALIASES[scheme] = f"{__name__}:{cls.__name__}"
        transport._transport_cache.pop(scheme, None)  # noqa: SLF001 - kombu remembers what it looked up


class QoS(stock.QoS):
    """Acknowledgements: collected, and sent with the next claim."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.finished: deque[str] = deque()
        self._restored_at = float("-inf")

    def append(self, message: Any, delivery_tag: str) -> None:
        """Remember a message that the claim has recorded already."""
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge with the next claim, or at once where none will follow."""
        self.finished.append(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)
        self._free(delivery_tag)
        if not self.channel.consuming:
            self.flush()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Forget a message or give it back."""
        super().reject(delivery_tag, requeue)
        self._free(delivery_tag)

    def _free(self, tag: str) -> None:
        if self.channel.slots:
            self.channel.slots.release(tag)

    @contextmanager
    def taking_finished(self) -> Iterator[list[str]]:
        """The tags to forget; they are kept if the block fails. Other threads add to them meanwhile."""
        tags = [self.finished.popleft() for _ in range(len(self.finished))]
        try:
            yield tags
        except BaseException:
            self.finished.extend(tags)
            raise

    def flush(self) -> None:
        """Acknowledge what is left to acknowledge, now."""
        with self.taking_finished() as tags:
            if tags:
                self.channel.forget(tags)

    def room(self) -> int:
        """How many messages may be claimed now."""
        if not self.can_consume():
            return 0
        return min(self.can_consume_max_estimate() or BATCH, BATCH)

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002 - kombu's signature
        """Give back everything not acknowledged, as at the end of a worker; in one call."""
        self.channel.restore(reversed(self._delivered), "RPUSH")
        for tag in self._delivered:
            self._free(tag)
        self._delivered.clear()

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Give one message back."""
        self.channel.restore([tag], "LPUSH" if leftmost else "RPUSH")

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Now and then give back what dead workers had claimed, a bounded number, the oldest to be served first."""
        channel = self.channel
        if monotonic() - self._restored_at < channel.unacked_restore_interval:
            return
        self._restored_at = monotonic()
        seconds, microseconds = channel.commands.time()
        overdue = channel.commands.zrange(
            channel.key(channel.unacked_index_key),
            0,
            seconds + microseconds / 1e6 - channel.visibility_timeout,
            byscore=True,
            offset=0,
            num=channel.unacked_restore_limit,
        )
        if overdue:
            restored = channel.restore(reversed(overdue), "RPUSH", unfinished=True)
            log.warning("gave back %d messages whose worker has not finished them in time", restored)


class Channel(stock.Channel):
    """Where messages are put, wait, and are claimed."""

    QoS = QoS
    # Nothing but a queue's list has the name that kombu gives it, so that other Celery apps may share the database.
    unacked_key = CLAIMS
    unacked_index_key = CLAIMS_INDEX
    keyprefix_queue = BROKER + "binding:%s"
    keyprefix_binding_deadlines = BROKER + "binding_deadlines"
    keyprefix_binding_permanent = BROKER + "binding_permanent:%s"
    unacked_restore_limit = BATCH
    #: Queues that other applications, with kombu's stock transport, send to.
    shared_queues: Sequence[str] = ()
    from_transport_options = (
        *(option for option in stock.Channel.from_transport_options if option != "ack_emulation"),
        "shared_queues",
    )

    #: What limits the claims of each queue, beside the prefetch limit; None is nothing.
    slots: SlotLimiter | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._without_ack: set[str] = set()
        self._gathered_at = float("-inf")
        self._tag_prefix = f"{uuid4().hex}."
        super().__init__(*args, **kwargs)
        try:
            self.client.set(self.key(PROBE), 1, px=1_000)  # it may answer, and yet take nothing
        except BaseException:
            self.abandon()
            self.connection.cycle.discard(self)
            raise

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - kombu's signature
        """Return how connections are made."""
        found: dict[str, Any] = super()._connparams(asynchronous)
        return {**found, "connection_class": detecting_outages(found["connection_class"])}

    # Names and scripts

    def key(self, name: str) -> str:
        """The full name of a key."""
        return f"{self.global_keyprefix}{name}"

    @cached_property
    def commands(self) -> "Redis":
        """A client that prefixes nothing. It outlives the channel, so that late acknowledgements still arrive."""
        return Redis(connection_pool=self.pool)

    @cached_property
    def _scripts(self) -> Mapping[str, "LuaScript"]:
        return {name: script(self.commands, name) for name in ("put", "park", "claim", "gather", "postpone", "restore")}

    @property
    def _claims_keys(self) -> list[str]:
        return [self.key(self.unacked_key), self.key(self.unacked_index_key)]

    def _bell(self, queue: str) -> str:
        return self.key(bell(queue))

    def _lists(self, queue: str) -> list[str]:
        return [self.key(self._q_for_pri(queue, step)) for step in self.priority_steps]

    def _foreign_lists(self, queue: str) -> dict[str, str]:
        """Return lists in which others may have put messages for a shared queue: each with that of ours it joins."""
        if queue not in self.shared_queues:
            return {}
        ours = self._lists(queue)
        others = {self.key(f"{queue}{sep}{step}"): step for sep in SEPARATORS for step in STEPS}
        return {name: self.key(self._q_for_pri(queue, step)) for name, step in others.items() if name not in ours}

    def ready(self, queues: Sequence[str]) -> dict[str, int]:
        """How many messages of each queue may be claimed right now."""
        pipe = self.commands.pipeline(transaction=False)
        lists = [(queue, name) for queue in queues for name in [*self._lists(queue), *self._foreign_lists(queue)]]
        for _, name in lists:
            pipe.llen(name)
        found = dict.fromkeys(queues, 0)
        for (queue, _), length in zip(lists, pipe.execute(), strict=True):
            found[queue] += length
        return found

    # Putting

    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str | None]:
        """Leave text as it is: base64 buys nothing inside JSON."""
        if isinstance(body, str):
            return body, "utf-8"
        encoded: tuple[Any, str | None] = super().encode_body(body, encoding)
        return encoded

    def _put(self, queue: str, message: dict[str, Any], _publish_batch: Any = None, **_: Any) -> None:
        priority = self._get_message_priority(message, reverse=False)
        message, delay = without_eta(message)
        if delay:
            name, keys = "park", [self.key(waiting(queue))]
            args: list[Any] = [str(self.priority(priority)).encode() + compress(dumps(message).encode()), delay]
        else:
            name, keys = "put", [self.key(self._q_for_pri(queue, priority)), self._bell(queue)]
            args = [dumps(message), self._expires.get(queue, 0)]
            if queue in self._expires:
                keys += self._lists(queue)
        script = self._scripts[name]
        if _publish_batch is None:
            script(keys=keys, args=args)
        else:  # a pipeline of kombu's client, which prefixes the first key itself
            first = keys[0].removeprefix(self.global_keyprefix)
            _publish_batch.pipeline.scripts.add(script.registered)
            _publish_batch.add("evalsha", script.registered.sha, len(keys), first, *keys[1:], *args)

    # Claiming

    @property
    def consuming(self) -> bool:
        """Whether claims go on by themselves."""
        return bool(self.active_queues) and not self.closed

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Wait for the bell of any queue that has room.

        What waits in the others keeps their bells ringing, which may wake other workers. This one sees at its next look
        that a place has become free.
        """
        spare, rooms = self._rooms(self.active_queues, BATCH)
        bells = [self._bell(queue) for queue in self.active_queues if min(rooms[queue][1], rooms[queue][0] + spare)]
        if not bells:
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command("BRPOP", *bells, timeout or self.brpop_timeout or 0)

    def _brpop_read(self, **options: Any) -> bool:
        """Claim when the bell has rung. Raises Empty without a message."""
        try:
            rung = self.client.parse_response(self.client.connection, "BRPOP", **options)
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not (rung and self.deliver(self.claim())):
            raise Empty
        return True

    def claim(self) -> list[Claim]:
        """Promote what is due in the queues consumed from, and claim what there is room for."""
        self.gather()
        queues, room = self._queue_cycle.consume(len(self.active_queues)), self.qos.room()
        return self.claim_from(queues, room, *self._rooms(queues, room))

    def _rooms(self, queues: Iterable[str], room: int) -> tuple[int, Mapping[str, tuple[int, int]]]:
        """What may be claimed of each of the queues, where `room` messages may be claimed in all."""
        spare, rooms = self.slots.capacity() if self.slots else (room, {})
        return spare, {queue: rooms.get(queue, (room, room)) for queue in queues}

    def gather(self) -> None:
        """Now and then move messages of any priority of others to the lists that are claimed from."""
        if monotonic() - self._gathered_at < GATHER:
            return
        self._gathered_at = monotonic()
        for queue in set(self.shared_queues).intersection(self.active_queues):
            pairs = [name for pair in self._foreign_lists(queue).items() for name in pair]
            self._scripts["gather"](keys=pairs, args=[BATCH])

    def deliver(self, claims: Sequence[Claim]) -> bool:
        """Hand claimed messages to their consumers; whether there were any."""
        for queue, tag, item in claims:
            self._queue_cycle.rotate(queue)
            if queue in self._without_ack:
                self.qos.finished.append(tag)
            message = self._read(queue, tag, item)
            if message is not None:
                if self.slots and queue not in self._without_ack:
                    self.slots.occupy(queue, tag)
                self.connection._deliver(message, queue)  # noqa: SLF001 - as kombu does
        return bool(claims)

    def claim_from(
        self, queues: Sequence[str], room: int, spare: int = 0, rooms: Mapping[str, tuple[int, int]] | None = None
    ) -> list[Claim]:
        """One call of claim.lua; see `SlotLimiter.capacity`. Without `rooms` all queues have `room`."""
        keys = self._claims_keys
        queue_of: dict[str, str] = {}
        for queue in queues:
            lists = self._lists(queue)
            keys += [self.key(waiting(queue)), self._bell(queue), *lists]
            queue_of |= dict.fromkeys(lists, queue)
        share = 1 if self.queue_order_strategy == "round_robin" else room
        steps = self.priority_steps
        with self.qos.taking_finished() as finished:
            claimed = self._scripts["claim"](
                keys=keys,
                args=[
                    room,
                    share,
                    BATCH,
                    self._tag_prefix,
                    len(steps),
                    *steps,
                    spare,
                    *(number for queue in queues for number in (rooms[queue] if rooms else (room, room))),
                    *finished,
                ],
            )
        if claimed:
            self._tag_prefix = f"{uuid4().hex}."
        return [(queue_of[key.decode()], tag.decode(), item) for key, tag, item in claimed if key.decode() in queue_of]

    def _read(self, queue: str, tag: str, item: bytes) -> dict[str, Any] | None:
        """Return a claimed message under its new tag; `None` where it was for later, and waits again."""
        marked, item = len(item), item.lstrip(b"!")
        redelivered = marked - len(item)
        payload, delay = without_eta(parse(item))
        if delay:  # a stock application sent it, which leaves that to the worker
            priority = str(self.priority(self._get_message_priority(payload, reverse=False)))
            member = priority.encode() + compress(dumps(payload).encode())
            self._scripts["postpone"](keys=[*self._claims_keys, self.key(waiting(queue))], args=[tag, member, delay])
            return None
        payload["properties"]["delivery_tag"] = tag
        try:
            self.Message(payload, channel=self)
        except (ValueError, LookupError, TypeError, AttributeError):
            payload = placeholder(item, DeadLetterReason.UNREADABLE)
        payload["properties"]["delivery_tag"] = tag
        payload["properties"]["delivery_info"]["queue"] = queue
        if redelivered:
            payload["headers"]["redelivered"] = True
            payload["headers"][REDELIVERED] = redelivered
            payload["properties"]["delivery_info"]["redelivered"] = True
        return payload

    def restore(self, tags: Iterable[str | bytes], command: str, *, unfinished: bool = False) -> int:
        """Give claimed messages back: RPUSH to be served next, LPUSH to be served last. Returns how many.

        `unfinished`: their worker has not finished them in time, which is counted.
        """
        restored: int = self._scripts["restore"](keys=self._claims_keys, args=[command, int(unfinished), *tags])
        return restored

    def forget(self, tags: Sequence[str]) -> None:
        """Drop claims that are finished."""
        claims, index = self._claims_keys
        with self.commands.pipeline() as pipe:
            pipe.hdel(claims, *tags)
            pipe.zrem(index, *tags)
            pipe.execute()

    def _get(self, queue: str) -> Any:
        while claims := self.claim_from([queue], 1):
            self._maybe_update_queues_expire(self.commands, queue)
            for _, tag, item in claims:
                message = self._read(queue, tag, item)
                if message is not None:
                    return message
        raise Empty

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """One message or None, now."""
        message = super().basic_get(queue, **kwargs)
        if message is not None and no_ack:
            self.qos.ack(message.delivery_tag)
        return message

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001
        """Start to deliver from a queue."""
        if no_ack:
            self._without_ack.add(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _basic_cancel(self, consumer_tag: str) -> Any:
        """Stop to deliver from a queue. No claim follows the last one, so what is finished is acknowledged now."""
        cancelled = super()._basic_cancel(consumer_tag)
        if self._qos and not self.consuming:
            with suppress(*self.connection_errors):
                self._qos.flush()
        return cancelled

    # Emptying and closing

    def _purge(self, queue: str) -> int:
        ready: int = super()._purge(queue)
        return ready + self._forget_rest(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super()._delete(queue, *args, **kwargs)
        self._forget_rest(queue)

    def _forget_rest(self, queue: str) -> int:
        key, foreign = self.key(waiting(queue)), self._foreign_lists(queue)
        with self.commands.pipeline() as pipe:
            pipe.zcard(key)
            for name in foreign:
                pipe.llen(name)
            pipe.delete(key, self._bell(queue), *foreign)
            counts: list[int] = pipe.execute()[:-1]
        return sum(counts)

    def close(self) -> None:
        """Close, giving back what is not acknowledged; when Redis is away, leave that to the visibility timeout."""
        self._in_poll = None  # a bell that rings now is not needed
        try:
            if self._qos and not self.closed:
                self._qos.flush()
            super().close()
        except self.connection_errors:
            self.abandon()
        if "commands" in vars(self):
            self.commands.connection_pool.disconnect()

    def abandon(self) -> None:
        """Close without a word to Redis. What is being worked on stays claimed and may still be acknowledged."""
        self._closing = self.closed = True
        self._in_poll = self._in_listen = None
        if self._qos:
            self._qos._on_collect.cancel()  # noqa: SLF001 - it would give back at exit
        self._disconnect_pools()
        self._close_clients()


class Poller(stock.MultiChannelPoller):
    """Looks for due messages at every tick, and for dead workers' messages, with or without an event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._ticked_at = float("-inf")
        self._loop: Any = None
        #: What is sent into the second end wakes the event loop, which has the first one.
        self._ears: tuple[socket, socket] | None = None

    def join(self, loop: Any) -> None:
        """Look for messages at every tick of an event loop, and when it is woken."""
        self._loop, self._ears = loop, socketpair()
        for end in self._ears:
            end.setblocking(False)
        loop.add_reader(self._ears[0], self._woken)
        loop.call_repeatedly(TICK, self.tick)

    def wake(self) -> None:
        """Have the event loop look now. For any thread; without an event loop the next tick has to do."""
        if self._ears:
            with suppress(OSError):  # woken often enough already, or closed
                self._ears[1].send(b"!")

    def _woken(self) -> None:
        if self._ears:
            with suppress(OSError):
                self._ears[0].recv(BATCH)
        self.tick()

    def close(self) -> None:
        """Forget the channels and leave the event loop."""
        super().close()
        ears, self._ears = self._ears, None
        if ears:
            self._loop.remove(ears[0])
            for end in ears:
                end.close()

    def tick(self) -> bool:
        """Let the channels that consume claim; whether there was anything."""
        self._ticked_at = monotonic()
        claimed = False
        for channel in list(self._channels):
            if channel.consuming:
                try:
                    claims = channel.claim()
                except NotServingError:  # waiting for the bell goes on, while nothing can be claimed
                    raise
                except channel.ResponseError as error:  # such as a key that somebody made into something else
                    raise NotServingError("ERR") from error
                except channel.connection_errors:  # waiting for the bell fails too, and that reconnects
                    log.debug("no claim while Redis is away", exc_info=True)
                else:
                    claimed |= channel.deliver(claims)
        self.maybe_restore_messages()
        return claimed

    def get(self, callback: Any, timeout: float | None = None) -> None:
        """Deliver at least one message or raise Empty, without an event loop."""
        if any(channel.consuming for channel in self._channels):
            if monotonic() - self._ticked_at >= TICK and self.tick():
                return
            timeout = TICK if timeout is None else min(timeout, TICK)
        super().get(callback, timeout)


class RedisTransport(stock.Transport):
    """The transport of `redis://`."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Take part in a worker's event loop."""
        super().register_with_event_loop(connection, loop)
        self.cycle.join(loop)

    def _collect(self, connection: Any) -> None:  # noqa: ARG002 - kombu's signature
        """Let go of a broken connection, or of the parent's after a fork: kombu's hook."""
        for channel in {*self.channels, *self._avail_channels}:
            channel.abandon()
        self.cycle.close()
        self.channels.clear()
        self._avail_channels.clear()


class SentinelChannel(Channel, stock.SentinelChannel):
    """The same over Sentinel."""

    from_transport_options = tuple(
        option for option in stock.SentinelChannel.from_transport_options if option != "ack_emulation"
    )


class SentinelTransport(RedisTransport, stock.SentinelTransport):
    """The transport of `sentinel://`."""

    Channel = SentinelChannel
