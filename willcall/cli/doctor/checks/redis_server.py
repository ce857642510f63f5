"""Redis: whether it is reachable, durable, and has room, and whether its clock agrees with ours."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import redis.exceptions

from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, Level, error, hidden, ok, warning
from willcall.cli.output.console import redact_url
from willcall.stores.connection import StoreError, probe
from willcall.stores.outages import NotServingError, describe, remedy
from willcall.stores.schema import SchemaStore, UnreadableStateError
from willcall.stores.server_info import ServerInfo, read_server_info
from willcall.views.formatting import format_duration

if TYPE_CHECKING:
    from redis import Redis

#: Shares of `maxmemory` in use that are a warning and an error.
MEMORY_SCARCE, MEMORY_FULL = 0.75, 0.9
#: Seconds between the clocks that are a warning, and an error as signatures and countdowns go wrong.
CLOCKS_APART, CLOCKS_FAR_APART = 2.0, 60.0
#: Seconds for which a loss of the state is reported.
REPLACED_SHOWN_FOR = 86_400.0

_BY_HAND = (
    "Check by hand: Redis 6.2 or newer, or Valkey; an append-only file; `maxmemory-policy noeviction`; enough memory. "
    "Or give the user `+info`."
)


def check_redis(context: CheckContext) -> list[Finding]:
    """Check the Redis that stores the state."""
    found = check_server(context.redis, "redis_url", context.config.settings.redis_url, context.clock)
    try:
        further = [*_check_schema(context), *_check_replaced(context)]
    except StoreError:
        return found
    return [*(finding for finding in found if finding.level is not Level.OK), *further] if further else found


def _check_schema(context: CheckContext) -> list[Finding]:
    """Report that this release cannot read the state."""
    try:
        SchemaStore(context.redis).check()
    except UnreadableStateError as problem:
        return [error(str(problem), "Run the release that wrote it: see docs/ops/upgrading.md.")]
    return []


def _check_replaced(context: CheckContext) -> list[Finding]:
    """Report that Redis lost its state within the last day."""
    at, now = context.processes.replaced_at(), context.now()
    if at is None or now - at > REPLACED_SHOWN_FOR:
        return []
    return [
        warning(
            f"it was emptied or replaced {format_duration(now - at)} ago while Willcall was running; "
            "earlier orders may be lost",
            "Restore the last backup, or have your backends submit their open orders again.",
        )
    ]


def check_server(client: "Redis", setting: str, url: str, clock: Callable[[], float]) -> list[Finding]:
    """Check the Redis server that a setting names."""
    where = redact_url(url)
    try:
        server, apart = read_server_info(client), _clock_difference(client, clock)
        info = server.fields
        found = [*_check_kind(server), *_check_persistence(info), *_check_memory(info)] if info else []
        found += _check_clock(apart)
        if info.get("role", "master") == "master" and not server.unusable:
            probe(client)
    except StoreError as problem:
        return [_connection_error(problem, setting, where)]
    if not info:
        message = f"{where} accepts writes, but its user may not run `INFO`, so its settings are unknown"
        return [*found, hidden(message, _BY_HAND)]
    used = f"{info['used_memory_human']} used, " if "used_memory_human" in info else ""
    facts = f"append-only file, no eviction, {used}clocks {abs(apart) * 1_000:.0f} ms apart"
    return found or [ok(f"{server.version} at {where}, {facts}")]


def _check_kind(server: ServerInfo) -> Iterator[Finding]:
    if server.unusable:
        yield error(server.unusable, "Run one server of Redis 6.2 or newer, or of Valkey, with replicas if you like.")
    elif server.version is None:
        yield hidden("it does not say its version", "Check by hand that it is Redis 6.2 or newer, or Valkey.")
    if server.fields.get("role", "master") != "master":
        yield error("it is a replica, which accepts no writes", "Use the address of the primary.")


def _check_persistence(info: Mapping[str, Any]) -> Iterator[Finding]:
    read_log = "Check its disk, its memory and its log."
    if "aof_enabled" not in info:
        fix = "Check by hand that it keeps one, or replicas: a restart must not lose orders."
        yield hidden("it does not say whether it has an append-only file", fix)
    elif not info["aof_enabled"]:
        fix = "Set `appendonly yes`: without it a restart loses every order since the last snapshot."
        yield error("it has no append-only file", fix)
    elif info.get("aof_last_write_status", "ok") != "ok":
        yield error("it could not write its append-only file", read_log)
    elif info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield warning("it could not rewrite its append-only file, which grows", read_log)
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield warning("its last snapshot failed, so it may reject writes", read_log)


def _check_memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    limit = int(info.get("maxmemory", 0))
    if "maxmemory_policy" not in info:
        fix = "Check by hand that it is `noeviction`: with any other, Redis deletes orders when its memory is full."
        yield hidden("it does not say its eviction policy", fix)
    elif info["maxmemory_policy"] != "noeviction":
        fix = "Set `maxmemory-policy noeviction`: with any other policy, Redis deletes orders when its memory is full."
        yield (error if limit else warning)(f"its eviction policy is {info['maxmemory_policy']}", fix)
    used = int(info.get("used_memory", 0)) / limit if limit else 0.0
    if used >= MEMORY_SCARCE:
        fix = "Raise `maxmemory`, or keep final orders for less long (`retention.orders`)."
        yield (error if used >= MEMORY_FULL else warning)(f"it uses {used:.0%} of its memory limit", fix)


def _clock_difference(client: "Redis", clock: Callable[[], float]) -> float:
    """Return how many seconds Redis' clock is ahead, give or take the duration of the request."""
    before = clock()
    moment, micros = client.time()
    return float(moment + micros / 1e6 - (before + clock()) / 2)


def _check_clock(apart: float) -> Iterator[Finding]:
    if abs(apart) >= CLOCKS_APART:
        direction = "ahead of" if apart > 0 else "behind"
        fix = "Synchronize both machines by NTP: countdowns, signatures and provider hints depend on the time."
        level = error if abs(apart) >= CLOCKS_FAR_APART else warning
        yield level(f"its clock is {format_duration(abs(apart))} {direction} this machine's", fix)


def _connection_error(problem: StoreError, setting: str, where: str) -> Finding:
    match problem:
        case NotServingError(code="NOPERM"):
            fix = f"Give the user in `{setting}` the permissions that Willcall needs (docs/ops/deployment.md)."
            return error(f"{where} does not let its user write", fix)
        case NotServingError():
            later = "Everything continues automatically once it is."
            fix = "Use the address of a server that is in no cluster." if problem.of_cluster else later
            return error(f"{where} is not serving requests: {problem}", fix)
        case redis.exceptions.BusyLoadingError():
            return error(f"{where} is still loading its data", "Wait; everything continues automatically.")
        case redis.exceptions.AuthenticationError() | redis.exceptions.ResponseError():
            fix = remedy(problem) or f"Check the user and password in `{setting}`."
            return error(f"{where} rejected the connection: {problem}", fix)
        case redis.exceptions.TimeoutError():
            tls = "Check whether it uses TLS. " if where.startswith("rediss://") else ""
            return error(f"{where} timed out", f"{tls}Check what keeps it busy (`SLOWLOG GET`), and the network.")
    fix = remedy(problem) or f"Start it, or correct `{setting}`."
    return error(f"cannot connect to {where}: {describe(problem)}", fix)
