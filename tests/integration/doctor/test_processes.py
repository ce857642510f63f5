"""Workers, beat, sweeps and the process of a container, by heartbeats in a real Redis."""

import socket
from contextlib import suppress
from typing import Any

import pytest

from schedules.sweeps import SWEEPS
from tasks.queues import queue_names
from tests.integration.doctor.conftest import MakeContext, findings, messages, ok_message
from tests.integration.doctor.conftest import Serve as ServeRedis
from tests.scripted_server import Serve, Server
from tests.waiting import wait_until
from willcall.cli.doctor.checks.processes import check_own_process
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Level, unknown
from willcall.cli.doctor.runner import run_checks
from willcall.stores import keys
from willcall.stores.connection import StoreError
from willcall.stores.processes import ProcessStore
from willcall.stores.sweeps import SweepStore
from willcall.views.formatting import format_timestamp

HERE = f"willcall-7@{socket.gethostname()}"


@pytest.fixture
def make_context(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> MakeContext:
    """Creates check contexts whose Redis clock is frozen."""

    def still(**settings: Any) -> CheckContext:
        context = make_context(**settings)
        with suppress(StoreError):
            now = context.redis.time()
            monkeypatch.setattr(context.redis, "time", lambda: now)
        return context

    return still


def live(context: CheckContext, kind: str = "worker", name: str = HERE, ago: float = 0, **detail: str) -> None:
    """A process started, and sent its last heartbeat, so many seconds ago."""
    ProcessStore(context.redis).record_heartbeat(kind, name, detail)
    at = int((context.now() - ago) * 1_000)
    context.redis.zadd(keys.PROCESSES, {f"{kind}:{name}": at})
    context.redis.hset(keys.process(kind, name), "since", at)


def test_one_worker_of_all_queues_is_enough(make_context: MakeContext) -> None:
    context = make_context()
    live(context, queues=",".join(queue_names(context.config)))
    assert ok_message(context, "workers").startswith("1 worker, ")


def test_without_a_worker_there_is_an_error(make_context: MakeContext) -> None:
    ((level, what),) = messages(make_context(), "workers")
    assert (level, what[:20]) == ("error", "no worker is running")


def test_a_worker_without_heartbeats_is_named(make_context: MakeContext) -> None:
    context = make_context()
    live(context, ago=31, queues=",".join(queue_names(context.config)))
    assert messages(context, "workers") == [("error", f"no worker is running; last heartbeat: {HERE} 31 s ago")]
    live(context, name="willcall-8@elsewhere", queues=",".join(queue_names(context.config)))
    assert messages(context, "workers") == [("warning", f"{HERE} has sent no heartbeat for 31 s")]


@pytest.mark.parametrize(
    ("kind", "check", "missing"),
    [("worker", "workers", "no worker is running"), ("beat", "beat", "beat is not running")],
)
def test_the_last_process_that_ended_is_named_while_none_is_running(
    make_context: MakeContext, kind: str, check: str, missing: str
) -> None:
    context = make_context()
    live(context, kind)
    context.processes.remove(kind, HERE)
    at = context.now() - 7_200
    context.redis.hset(keys.LAST_HEARTBEATS, kind, f'[{int(at * 1_000)},"{HERE}"]')
    when = format_timestamp(int(at * 1_000) / 1_000)
    assert messages(context, check) == [("error", f"{missing}; last heartbeat: {HERE} 2 h ago, {when}")]


def test_a_queue_without_a_worker_is_named(make_context: MakeContext) -> None:
    context = make_context()
    live(context, queues="willcall,willcall.sweeps,willcall.notify,willcall.documents,willcall.poll.tiqets")
    assert messages(context, "workers") == [("error", "no worker serves willcall.poll.tixstock")]
    live(context, name="willcall-8@elsewhere", queues="willcall.poll.tixstock")
    assert ok_message(context, "workers").startswith("2 workers, ")


def test_workers_that_wait_for_their_broker_serve_no_queue(make_context: MakeContext) -> None:
    context = make_context()
    live(context, queues=",".join(queue_names(context.config)), state="suspended")
    assert messages(context, "workers") == [("error", "all workers are waiting for the broker or stopping")]


def test_beat_is_running_by_its_last_heartbeat(make_context: MakeContext) -> None:
    context = make_context()
    live(context, "beat", ago=21)
    assert messages(context, "beat") == [("error", f"beat is not running; last heartbeat: {HERE} 21 s ago")]
    live(context, "beat", "willcall-8@elsewhere", ago=3)
    assert ok_message(context, "beat") == "1 beat, last heartbeat 3 s ago"


@pytest.fixture
def swept(make_context: MakeContext) -> CheckContext:
    """All sweeps ran a moment ago, and beat is running."""
    context = make_context()
    live(context, "beat")
    context.redis.hincrby(keys.process("beat", HERE), "since", -3_600_000)
    for name in SWEEPS:
        SweepStore(context.redis).record_success(name, context.now() - 1, 0.1, {})
    return context


def test_sweeps_that_ran_in_time_are_ok(swept: CheckContext) -> None:
    assert ok_message(swept, "sweeps") == f"all {len(SWEEPS)} in time, the last ran 1 s ago"


def test_a_sweep_that_failed_or_is_overdue_is_named(swept: CheckContext) -> None:
    sweeps = SweepStore(swept.redis)
    sweeps.record_failure("notify", swept.now() - 4, 0.1, "TimeoutError")
    sweeps.record_success("documents", swept.now() - 80, 0.1, {})
    failed, overdue = "notify failed 4 s ago: TimeoutError", "overdue: documents (every 30 s, last ran 1 min 35 s ago)"
    assert errors(swept) == [failed]
    sweeps.record_success("documents", swept.now() - 95, 0.1, {})
    assert errors(swept) == [failed, overdue]


def test_the_fix_for_overdue_sweeps_depends_on_what_is_running(swept: CheckContext) -> None:
    SweepStore(swept.redis).record_success("expire", swept.now() - 95, 0.1, {})

    def fix() -> str:
        (finding,) = findings(swept, "sweeps")
        return str(finding.fix)

    assert fix().startswith("Start a worker; ")
    live(swept, queues="willcall.sweeps")
    assert "; if so, restart beat; " in fix()
    swept.processes.remove("beat", HERE)
    assert fix().startswith("Start beat; ")


def test_every_sweep_has_its_interval(swept: CheckContext) -> None:
    assert swept.config.settings.sweeps.intervals.keys() == SWEEPS.keys()


def errors(context: CheckContext) -> list[str]:
    """The messages of the sweeps check, all errors."""
    found = messages(context, "sweeps")
    assert all(level == "error" for level, _ in found)
    return [what for _, what in found]


def test_a_sweep_is_overdue_no_sooner_than_beat_could_have_started_it(make_context: MakeContext) -> None:
    context = make_context()
    assert messages(context, "sweeps") == [("not checked", "beat is not running")]
    live(context, "beat")
    assert ok_message(context, "sweeps") == f"all {len(SWEEPS)} in time, none was due yet"
    context.redis.hincrby(keys.process("beat", HERE), "since", -120_000)
    (overdue,) = errors(context)
    assert {name for name in SWEEPS if f"{name} (" not in overdue} == {"reconcile", "watch", "lists", "prune"}
    assert "never ran" in overdue


@pytest.mark.parametrize("kind", ["worker", "beat", "api"])
def test_a_process_is_checked_by_its_host(make_context: MakeContext, kind: str) -> None:
    context = make_context()
    live(context, kind, "willcall-7@elsewhere")
    (finding,) = check_own_process(context, kind)
    assert finding.level is Level.ERROR
    assert finding.message.startswith(f"no {kind} on {socket.gethostname()} ")
    live(context, kind, ago=25)
    (finding,) = check_own_process(context, kind)
    assert (finding.level, finding.message) == (Level.ERROR, f"{HERE} has sent no heartbeat for 25 s")
    live(context, kind, f"willcall-9@{socket.gethostname()}")
    (finding,) = check_own_process(context, kind)
    assert (finding.level, finding.message) == (Level.OK, f"willcall-9@{socket.gethostname()}, last heartbeat 0 s ago")


def test_a_process_is_not_restarted_because_redis_is_unreachable(make_context: MakeContext) -> None:
    (finding,) = check_own_process(make_context(redis_url="redis://127.0.0.1:1/0"), "worker")
    assert finding.level is Level.WARNING


def say_nothing(server: Server, _: socket.socket) -> None:
    server.stopped.wait()


@pytest.mark.parametrize("credentials", ["", ":top-secret@"])
def test_a_redis_that_hangs_is_tried_once_so_that_a_probe_ends_in_time(
    make_context: MakeContext, serve: Serve, monkeypatch: pytest.MonkeyPatch, credentials: str
) -> None:
    monkeypatch.setattr("willcall.cli.doctor.context.REDIS_TIMEOUT", 0.2)
    silent = serve(say_nothing)
    context = make_context(redis_url=f"redis://{credentials}127.0.0.1:{silent.port}/0")
    (finding,) = check_own_process(context, "worker")
    assert finding.level is Level.WARNING
    wait_until(lambda: silent.connections == 2)  # the fixture asked as well


@pytest.mark.parametrize("check", ["workers", "beat"])
def test_processes_are_not_missing_while_redis_accepts_no_heartbeats(
    make_context: MakeContext, server: ServeRedis, check: str
) -> None:
    full = server()
    context = make_context(redis_url=full.url)
    live(context, "worker" if check == "workers" else "beat", ago=31)
    context.redis.config_set("maxmemory", 1)
    [diagnosis] = run_checks(context, [check])
    assert diagnosis.findings == [unknown("Redis is not serving requests")]
