"""Queues of messages in Redis: publish, delay, claim, restore. Each operation is one Lua script or pipeline."""

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from kombu.transport import redis as stock

from willcall.stores.keys import CLAIMS, CLAIMS_INDEX, delayed_messages, wakeup
from workers.transport.delayed import load
from workers.transport.encoding import compress

if TYPE_CHECKING:
    from redis import Redis

    from willcall.stores.scripts import LuaScript

#: Messages that one call moves per queue and claims at most, so that no script occupies Redis for long.
BATCH = 100
#: What other applications put between queue and priority step: kombu's default, and that of Celery's documentation.
SEPARATORS = (stock.Channel.sep, ":")
#: Priority steps of other applications. Messages of step 0 are in the list with the queue's own name.
FOREIGN_STEPS = range(1, 10)


class MessageClaim(NamedTuple):
    """A claimed message: its queue, the tag of the claim, the message as it is stored."""

    queue: str
    tag: str
    message: bytes


class ScriptCall(NamedTuple):
    """A call that is run at once, or added to a batch."""

    script: "LuaScript"
    keys: Sequence[str]
    args: Mapping[str, Any]
    payload: bytes

    def run(self) -> None:
        """Run the script now. Raises RedisError."""
        self.script(keys=self.keys, args=self.args, payload=self.payload)


class RedisQueues:
    """The queues of one Redis database. Used by one thread at a time, but for `forget`."""

    def __init__(self, client: "Redis", prefix: str, steps: Sequence[int], shared_queues: Iterable[str]) -> None:
        """`steps` are our priorities, most urgent first; `shared_queues` those that other applications send to."""
        self.client = client
        self._prefix, self._steps, self._shared = prefix, steps, frozenset(shared_queues)
        self._claims_keys = [self.key(CLAIMS), self.key(CLAIMS_INDEX)]
        self._tag_prefix = f"{uuid4().hex}."

    def key(self, name: str) -> str:
        """Return the full name of a key."""
        return f"{self._prefix}{name}"

    def wakeup(self, queue: str) -> str:
        """Return the list that wakes an idle worker."""
        return self.key(wakeup(queue))

    def publish(self, queue: str, priority: int, message: str, expires: int | None) -> ScriptCall:
        """Append a message to its list; `expires`: milliseconds after which the queue expires when it is unused."""
        keys = [self._list(queue, priority), self.wakeup(queue), *(self._lists(queue) if expires else ())]
        return ScriptCall(self._scripts["publish"], keys, {"expires": expires}, message.encode())

    def delay(self, queue: str, priority: int, message: str, milliseconds: int) -> ScriptCall:
        """Store a message until it is due."""
        keys, payload = [self.key(delayed_messages(queue))], self._delayed(priority, message)
        return ScriptCall(self._scripts["delay"], keys, {"delay": milliseconds}, payload)

    def claim(
        self,
        queues: Sequence[str],
        max_claims: int,
        slots: tuple[int, Mapping[str, tuple[int, int]]],
        finished: Sequence[str],
    ) -> list[MessageClaim]:
        """Claim messages for which there are free `slots` (see `SlotLimiter.capacity`), and forget `finished` tags.

        Queues that `slots` leaves out have no limit of their own.
        """
        shared, free = slots
        keys = list(self._claims_keys)
        queue_of: dict[str, str] = {}
        for queue in queues:
            lists = self._lists(queue)
            keys += [self.key(delayed_messages(queue)), self.wakeup(queue), *lists]
            queue_of |= dict.fromkeys(lists, queue)
        claimed = self._scripts["claim_messages"](
            keys=keys,
            args={
                "max_claims": max_claims,
                "max_promoted": BATCH,
                "tag_prefix": self._tag_prefix,
                "steps": self._steps,
                "shared_slots": shared,
                "slots": [free.get(queue, (max_claims, max_claims)) for queue in queues],
                "finished": finished,
            },
        )
        if claimed:
            self._tag_prefix = f"{uuid4().hex}."
        claims = [(key.decode(), tag.decode(), message) for key, tag, message in claimed]
        return [MessageClaim(queue_of[key], tag, message) for key, tag, message in claims if key in queue_of]

    def delay_claimed(self, claim: MessageClaim, priority: int, message: str, milliseconds: int) -> None:
        """Give up a claim and store its message until it is due."""
        self._scripts["delay_claimed"](
            keys=[*self._claims_keys, self.key(delayed_messages(claim.queue))],
            args={"tag": claim.tag, "delay": milliseconds},
            payload=self._delayed(priority, message),
        )

    def restore(self, tags: Iterable[str], command: str = "RPUSH", *, unfinished: bool = False) -> int:
        """Return claimed messages to their lists: RPUSH to be served next, LPUSH last. Returns how many.

        `unfinished` says that their worker did not finish them in time, which is counted.
        """
        arguments = {"tags": list(tags), "command": command, "unfinished": unfinished}
        restored: int = self._scripts["restore"](keys=self._claims_keys, args=arguments)
        return restored

    def forget(self, tags: Sequence[str]) -> None:
        """Drop claims of finished messages. Other threads may call it."""
        claims, index = self._claims_keys
        with self.client.pipeline() as pipe:
            pipe.hdel(claims, *tags)
            pipe.zrem(index, *tags)
            pipe.execute()

    def overdue(self, timeout: float, limit: int) -> list[str]:
        """Return tags of claims that are older than `timeout` seconds, the oldest first."""
        seconds, microseconds = self.client.time()
        before = seconds + microseconds / 1e6 - timeout
        index = self._claims_keys[1]
        return [tag.decode() for tag in self.client.zrange(index, 0, before, byscore=True, offset=0, num=limit)]

    def merge_priorities(self, queues: Iterable[str]) -> None:
        """Move messages that other applications sent with priorities of their own to the lists we claim from."""
        for queue in self._shared.intersection(queues):
            pairs = [key for pair in self._foreign_lists(queue).items() for key in pair]
            self._scripts["merge_priorities"](keys=pairs, args={"max_moved": BATCH})

    def lengths(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many messages of each queue can be claimed right now."""
        pipe = self.client.pipeline(transaction=False)
        lists = [(queue, key) for queue in queues for key in [*self._lists(queue), *self._foreign_lists(queue)]]
        for _, key in lists:
            pipe.llen(key)
        lengths = dict.fromkeys(queues, 0)
        for (queue, _), length in zip(lists, pipe.execute(), strict=True):
            lengths[queue] += length
        return lengths

    def clear(self, queue: str) -> int:
        """Delete what kombu's purge leaves: delayed messages and those of foreign priorities. Returns how many."""
        delayed, foreign = self.key(delayed_messages(queue)), self._foreign_lists(queue)
        with self.client.pipeline() as pipe:
            pipe.zcard(delayed)
            for key in foreign:
                pipe.llen(key)
            pipe.delete(delayed, self.wakeup(queue), *foreign)
            counts: list[int] = pipe.execute()[:-1]
        return sum(counts)

    @cached_property
    def _scripts(self) -> Mapping[str, "LuaScript"]:
        names = ("publish", "delay", "claim_messages", "merge_priorities", "delay_claimed", "restore")
        return {name: load(self.client, name) for name in names}

    def _step(self, priority: int) -> int:
        return self._steps[bisect(self._steps, priority) - 1]

    def _list(self, queue: str, priority: int) -> str:
        step = self._step(priority)
        return self.key(f"{queue}{stock.Channel.sep}{step}" if step else queue)

    def _lists(self, queue: str) -> list[str]:
        return [self._list(queue, step) for step in self._steps]

    def _foreign_lists(self, queue: str) -> dict[str, str]:
        """Return lists in which others may have put messages of a shared queue: each with our list that it joins."""
        if queue not in self._shared:
            return {}
        ours = self._lists(queue)
        foreign = {self.key(f"{queue}{sep}{step}"): step for sep in SEPARATORS for step in FOREIGN_STEPS}
        return {key: self._list(queue, step) for key, step in foreign.items() if key not in ours}

    def _delayed(self, priority: int, message: str) -> bytes:
        return str(self._step(priority)).encode() + compress(message.encode())
