"""Redis: whether it is there, whether it keeps what it is given, and whether its clock is ours."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError, TimeoutError  # noqa: A004 - its own

from willcall.cli.doctor.findings import Finding, Level, ok, unknown, warning, wrong
from willcall.cli.output.console import redact_url
from willcall.stores.connection import StoreError, probe
from willcall.stores.outages import NotServingError, remedy
from willcall.views.formatting import format_duration

if TYPE_CHECKING:
    from redis import Redis

    from willcall.cli.doctor.patient import Patient

#: The oldest version that has all commands we use.
OLDEST = (6, 2)
#: Parts of `maxmemory` in use from which on room is scarce, and from which on it is about to run out.
SCARCE, FULL = 0.75, 0.9
#: Seconds that the clocks may be apart before somebody should look, and before signatures and countdowns go wrong.
APART, FAR_APART = 2.0, 60.0

#: Seconds for which a loss of the state is reported.
SHOWN_REPLACED = 86_400.0

_NTP = "Let both machines keep time by NTP: countdowns, signatures and the hints of providers go by it."


def check(patient: "Patient") -> list[Finding]:
    """The Redis that keeps the state."""
    found = examine(patient.redis, "redis_url", patient.config.settings.redis_url, patient.clock)
    try:
        replaced = _replaced(patient)
    except StoreError:
        return found
    return [*(finding for finding in found if finding.level is not Level.OK), *replaced] if replaced else found


def _replaced(patient: "Patient") -> list[Finding]:
    """Whether Redis lost its state within the last day."""
    at, now = patient.processes.replaced_at(), patient.now()
    if at is None or now - at > SHOWN_REPLACED:
        return []
    return [
        warning(
            f"it was emptied or replaced {format_duration(now - at)} ago while Willcall ran: "
            "orders of before may be gone",
            "Restore the last backup, or have your backends submit their open orders again.",
        )
    ]


def examine(client: "Redis", setting: str, url: str, clock: Callable[[], float]) -> list[Finding]:
    """A Redis server, which a setting names."""
    where = redact_url(url)
    try:
        info, apart = _info(client), _apart(client, clock)
        found = [*_clocks(apart)]
        if info:
            found = [*_kind(info), *_persistence(info), *_memory(info), *found]
        if not info or info["role"] == "master":
            probe(client)
    except StoreError as error:
        return [_refused(error, setting, where)]
    if not info:
        hint = unknown(f"{where} takes writes; its user may not ask for more (`INFO`)")
        return [*found, hint]
    used = f"{info['used_memory_human']} used, clocks {abs(apart) * 1_000:.0f} ms apart"
    return found or [ok(f"{info['redis_version']} at {where}, append-only file, no eviction, {used}")]


def _info(client: "Redis") -> dict[str, Any]:
    """What the server says of itself; nothing where its user may not ask."""
    try:
        return dict(client.info())
    except NotServingError as error:
        if error.code != "NOPERM":
            raise
        return {}


def _kind(info: Mapping[str, Any]) -> Iterator[Finding]:
    version = str(info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        yield wrong(f"version {version} is too old", "Run Redis 6.2 or newer.")
    if info.get("cluster_enabled"):
        yield wrong(
            "it is a cluster", "Run one server, with replicas if you like: a script needs all keys in one place."
        )
    if info["role"] != "master":
        yield wrong("it is a replica, which takes no writes", "Name the primary instead.")


def _persistence(info: Mapping[str, Any]) -> Iterator[Finding]:
    read_log = "Make room on its disk and in its memory, and read its log."
    if not info["aof_enabled"]:
        how = "Set `appendonly yes`: without it a restart forgets every order since the last snapshot."
        yield wrong("it keeps no append-only file", how)
    elif info["aof_last_write_status"] != "ok":
        yield wrong("it could not write its append-only file", read_log)
    elif info["aof_last_bgrewrite_status"] != "ok":
        yield warning("it could not rewrite its append-only file, which grows", read_log)
    if info["rdb_last_bgsave_status"] != "ok":
        yield warning("it could not take its last snapshot, after which it may refuse to write", read_log)


def _memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    limit = int(info["maxmemory"])
    if info["maxmemory_policy"] != "noeviction":
        how = "Set `maxmemory-policy noeviction`: by any other Redis throws orders away when its memory is full."
        yield (wrong if limit else warning)(f"its eviction policy is {info['maxmemory_policy']}", how)
    used = int(info["used_memory"]) / limit if limit else 0.0
    if used >= SCARCE:
        how = "Raise `maxmemory`, or keep final orders for less long (`retention.orders`)."
        yield (wrong if used >= FULL else warning)(f"it uses {used:.0%} of the memory that it may", how)


def _apart(client: "Redis", clock: Callable[[], float]) -> float:
    """Seconds by which its clock is ahead of ours, which the way there and back may make appear more."""
    before = clock()
    moment, micros = client.time()
    return float(moment + micros / 1e6 - (before + clock()) / 2)


def _clocks(apart: float) -> Iterator[Finding]:
    if abs(apart) >= APART:
        which = "ahead of" if apart > 0 else "behind"
        far = abs(apart) >= FAR_APART
        yield (wrong if far else warning)(f"its clock is {format_duration(abs(apart))} {which} this machine's", _NTP)


def _refused(error: StoreError, setting: str, where: str) -> Finding:
    match error:
        case NotServingError(code="NOPERM"):
            how = f"Let the user that `{setting}` names do what Willcall needs (docs/ops/deployment.md)."
            return wrong(f"{where} refuses: its user may not write", how)
        case NotServingError():
            return wrong(f"{where} does not serve: {error}", "Everything goes on by itself when it serves again.")
        case BusyLoadingError():
            return wrong(f"{where} is still reading its data", "Wait: everything goes on by itself.")
        case AuthenticationError() | ResponseError():
            return wrong(f"{where} refuses: {error}", f"Let the user that `{setting}` names do what Willcall needs.")
        case TimeoutError():
            return wrong(
                f"{where} does not answer in time", "See what it is busy with (`SLOWLOG GET`), and the network."
            )
    return wrong(f"{where} cannot be reached: {error}", remedy(error) or f"Start it, or correct `{setting}`.")
