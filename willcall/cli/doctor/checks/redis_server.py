"""Redis: whether it is reachable, durable, and has room, and whether its clock agrees with ours."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import redis.exceptions

from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, Level, error, ok, unknown, warning
from willcall.cli.output.console import redact_url
from willcall.stores.connection import StoreError, probe
from willcall.stores.outages import NotServingError, remedy
from willcall.views.formatting import format_duration

if TYPE_CHECKING:
    from redis import Redis

#: The oldest version with all commands that we use.
OLDEST_VERSION = (6, 2)
#: Shares of `maxmemory` in use that are a warning and an error.
MEMORY_SCARCE, MEMORY_FULL = 0.75, 0.9
#: Seconds between the clocks that are a warning, and an error as signatures and countdowns go wrong.
CLOCKS_APART, CLOCKS_FAR_APART = 2.0, 60.0
#: Seconds for which a loss of the state is reported.
REPLACED_SHOWN_FOR = 86_400.0


def check_redis(context: CheckContext) -> list[Finding]:
    """Check the Redis that stores the state."""
    found = check_server(context.redis, "redis_url", context.config.settings.redis_url, context.clock)
    try:
        replaced = _check_replaced(context)
    except StoreError:
        return found
    return [*(finding for finding in found if finding.level is not Level.OK), *replaced] if replaced else found


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
        info, apart = _read_info(client), _clock_difference(client, clock)
        found = [*_check_clock(apart)]
        if info:
            found = [*_check_kind(info), *_check_persistence(info), *_check_memory(info), *found]
        if not info or info["role"] == "master":
            probe(client)
    except StoreError as problem:
        return [_connection_error(problem, setting, where)]
    if not info:
        return [*found, unknown(f"{where} accepts writes; its user may not run `INFO`, which the other checks need")]
    used = f"{info['used_memory_human']} used, clocks {abs(apart) * 1_000:.0f} ms apart"
    return found or [ok(f"{info['redis_version']} at {where}, append-only file, no eviction, {used}")]


def _read_info(client: "Redis") -> dict[str, Any]:
    """Return the server's INFO; empty if its user may not run it."""
    try:
        return dict(client.info())
    except NotServingError as problem:
        if problem.code != "NOPERM":
            raise
        return {}


def _check_kind(info: Mapping[str, Any]) -> Iterator[Finding]:
    version = str(info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < OLDEST_VERSION:
        yield error(f"version {version} is too old", "Run Redis 6.2 or newer.")
    if info.get("cluster_enabled"):
        fix = "Run one server, with replicas if you like: scripts need all keys on one server."
        yield error("it is a cluster", fix)
    if info["role"] != "master":
        yield error("it is a replica, which accepts no writes", "Use the address of the primary.")


def _check_persistence(info: Mapping[str, Any]) -> Iterator[Finding]:
    read_log = "Check its disk, its memory and its log."
    if not info["aof_enabled"]:
        fix = "Set `appendonly yes`: without it a restart loses every order since the last snapshot."
        yield error("it has no append-only file", fix)
    elif info["aof_last_write_status"] != "ok":
        yield error("it could not write its append-only file", read_log)
    elif info["aof_last_bgrewrite_status"] != "ok":
        yield warning("it could not rewrite its append-only file, which grows", read_log)
    if info["rdb_last_bgsave_status"] != "ok":
        yield warning("its last snapshot failed, so it may reject writes", read_log)


def _check_memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    limit = int(info["maxmemory"])
    if info["maxmemory_policy"] != "noeviction":
        fix = "Set `maxmemory-policy noeviction`: with any other policy, Redis deletes orders when its memory is full."
        yield (error if limit else warning)(f"its eviction policy is {info['maxmemory_policy']}", fix)
    used = int(info["used_memory"]) / limit if limit else 0.0
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
            return error(
                f"{where} is not serving requests: {problem}", "Everything continues automatically once it is."
            )
        case redis.exceptions.BusyLoadingError():
            return error(f"{where} is still loading its data", "Wait; everything continues automatically.")
        case redis.exceptions.AuthenticationError() | redis.exceptions.ResponseError():
            fix = f"Check the user and password in `{setting}`."
            return error(f"{where} rejected the connection: {problem}", fix)
        case redis.exceptions.TimeoutError():
            return error(f"{where} timed out", "Check what keeps it busy (`SLOWLOG GET`), and the network.")
    return error(f"cannot connect to {where}: {problem}", remedy(problem) or f"Start it, or correct `{setting}`.")
