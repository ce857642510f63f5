"""Heartbeats: which processes are running."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, cast

from willcall.orders.serialization import known_members
from willcall.stores import keys
from willcall.stores.codec import compact_json, milliseconds
from willcall.stores.schema import SchemaStore
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds between two heartbeats.
HEARTBEAT_INTERVAL = 5.0
#: Seconds without a heartbeat after which a process no longer counts as running.
RUNNING_WITHIN = 20.0
#: Seconds without a heartbeat after which it is forgotten.
FORGOTTEN_AFTER = 60.0
#: Seconds for which a process is remembered that disappeared and was not replaced.
LOST_KEPT = 86_400.0


@dataclass(frozen=True, slots=True)
class ConfigurationState:
    """The configuration of a process. Moments are epoch seconds by the clock of its machine.

    `digest` differs between configurations that differ, and says nothing about their secrets. `errors`: why the last
    reload, at `refused_at`, was refused. `restart_for`: settings that have changed and take effect after a restart.
    `request`: the last request to reload that the process has carried out.
    """

    taken_at: float
    digest: str = ""
    refused_at: float | None = None
    errors: tuple[str, ...] = ()
    restart_for: tuple[str, ...] = ()
    request: int = 0


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process: a worker, beat, api or flower. `since` and `last_seen` are epoch seconds by the server's clock."""

    kind: str
    name: str
    since: float
    last_seen: float
    detail: Mapping[str, str]
    configuration: ConfigurationState | None = None


@dataclass(frozen=True, slots=True)
class LostProcess:
    """A process that disappeared without ending. `last_seen`: epoch seconds by the server's clock."""

    kind: str
    name: str
    last_seen: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last heartbeat of a kind of process, at an epoch second by the server's clock."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class ReloadRequest:
    """A request that all processes take their configuration anew.

    `age`: seconds since then, by the server's clock. `by`: where it was made.
    """

    id: int
    age: float
    by: str


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """What a process learns from its heartbeat.

    `state`: the identity of the data, which changes if Redis is emptied or replaced. `reload`: the last request.
    """

    state: str
    reload: ReloadRequest | None


class ProcessStore:
    """Heartbeats in Redis."""

    def __init__(self, redis: "Redis") -> None:
        #: Checked before this process works on the state.
        self.schema = SchemaStore(redis)
        self._redis = redis
        self._record_heartbeat = load(redis, "record_heartbeat")

    def record_heartbeat(
        self, kind: str, name: str, detail: Mapping[str, str], configuration: ConfigurationState | None = None
    ) -> HeartbeatReply:
        """Record a heartbeat."""
        state, requested, age, by = self._record_heartbeat(
            keys=[
                keys.PROCESSES,
                keys.process(kind, name),
                keys.LAST_HEARTBEATS,
                keys.STATE,
                keys.RELOAD,
                keys.LOST_PROCESSES,
            ],
            args={
                "kind": kind,
                "name": name,
                "detail": compact_json(dict(detail)),
                "configuration": compact_json(asdict(configuration)) if configuration else "",
                "forgotten_after": milliseconds(FORGOTTEN_AFTER),
                "lost_kept": milliseconds(LOST_KEPT),
                "identity": token_hex(8),
            },
        )
        return HeartbeatReply(state, ReloadRequest(requested, age / 1_000, by) if requested else None)

    def request_reload(self, by: str) -> int:
        """Ask all processes to take their configuration anew. Returns the id of the request, which is its time."""
        moment, micros = self._redis.time()
        requested = moment * 1_000 + micros // 1_000
        self._redis.hset(keys.RELOAD, mapping={"at": requested, "by": by})
        return requested

    def identity(self) -> str | None:
        """Return the identity of the data, or `None` before any process has started."""
        return cast("str | None", self._redis.hget(keys.STATE, "id"))

    def report_replaced(self) -> None:
        """Record that a running process found Redis emptied or replaced."""
        moment, micros = self._redis.time()
        self._redis.hset(keys.STATE, "replaced_at", moment * 1_000 + micros // 1_000)

    def replaced_at(self) -> float | None:
        """Return when Redis was last found emptied or replaced (epoch seconds, the server's clock), or `None`."""
        found = self._redis.hget(keys.STATE, "replaced_at")
        return int(str(found)) / 1_000 if found else None

    def running(self, kind: str | None = None, within: float = RUNNING_WITHIN) -> list[RunningProcess]:
        """Return the processes (of one kind) with a heartbeat in the last `within` seconds, oldest first."""
        moment, micros = self._redis.time()
        oldest = moment * 1_000 + micros // 1_000 - milliseconds(within)
        entries = cast(
            "list[tuple[str, float]]", self._redis.zrangebyscore(keys.PROCESSES, oldest, "+inf", withscores=True)
        )
        signs = [(*member.partition(":")[::2], seen / 1_000) for member, seen in entries]
        wanted = [(of_kind, name, seen) for of_kind, name, seen in signs if kind in {None, of_kind}]
        pipe = self._redis.pipeline(transaction=False)
        for of_kind, name, _ in wanted:
            pipe.hgetall(keys.process(of_kind, name))
        found = [
            RunningProcess(
                of_kind,
                name,
                int(fields["since"]) / 1_000,
                seen,
                json.loads(fields["detail"]),
                _configuration(fields.get("configuration")),
            )
            for (of_kind, name, seen), fields in zip(wanted, pipe.execute(), strict=True)
            if fields  # gone between the two
        ]
        return sorted(found, key=lambda process: process.since)

    def last_heartbeats(self) -> dict[str, Heartbeat]:
        """Return the last heartbeat of each kind of process that ever ran."""
        signs = cast("dict[str, str]", self._redis.hgetall(keys.LAST_HEARTBEATS))
        return {
            kind: Heartbeat(name, at / 1_000)
            for kind, (at, name) in ((kind, json.loads(text)) for kind, text in signs.items())
        }

    def lost(self) -> list[LostProcess]:
        """Return processes that disappeared without ending, the earliest first.

        Some have sent no heartbeat for a while; others are forgotten already, and none of their kind replaced them.
        """
        moment, micros = self._redis.time()
        silent_since = moment * 1_000 + micros // 1_000 - milliseconds(RUNNING_WITHIN)
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrange(keys.LOST_PROCESSES, 0, -1, withscores=True)
        pipe.zrangebyscore(keys.PROCESSES, "-inf", f"({silent_since}", withscores=True)
        forgotten, silent = cast("list[list[tuple[str, float]]]", pipe.execute())
        found = [LostProcess(*member.partition(":")[::2], seen / 1_000) for member, seen in [*forgotten, *silent]]
        return sorted(found, key=lambda process: process.last_seen)

    def remove(self, kind: str, name: str) -> None:
        """Remove a process that has ended or starts again."""
        pipe = self._redis.pipeline()
        pipe.zrem(keys.PROCESSES, f"{kind}:{name}")
        pipe.zrem(keys.LOST_PROCESSES, f"{kind}:{name}")
        pipe.delete(keys.process(kind, name))
        pipe.execute()


def _configuration(text: str | None) -> ConfigurationState | None:
    if not text:
        return None
    fields = known_members(ConfigurationState, json.loads(text))
    return ConfigurationState(**{**fields, **{name: tuple(fields[name]) for name in ("errors", "restart_for")}})
