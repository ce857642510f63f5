"""Workers, beat, sweeps and the process of a container: by the signs of life in a real Redis."""

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from schedules.timetable import SWEEPS
from tasks.queues import queue_names
from tests.command import environment
from tests.integration.doctor.conftest import Admit, findings, told, well
from tests.integration.doctor.conftest import Serve as ServeRedis
from tests.scripted_server import Serve, Server
from tests.waiting import wait_until
from willcall.cli.doctor import own
from willcall.cli.doctor.examination import examined
from willcall.cli.doctor.findings import Level, unknown
from willcall.cli.doctor.patient import Patient
from willcall.stores import keys
from willcall.stores.connection import StoreError
from willcall.stores.processes import ProcessStore
from willcall.stores.sweeps import SweepStore
from willcall.views.formatting import format_timestamp

HERE = f"willcall-7@{socket.gethostname()}"


@pytest.fixture
def admit(admit: Admit, monkeypatch: pytest.MonkeyPatch) -> Admit:
    """Makes a patient for whom no time goes by: it is always as long ago."""

    def still(**settings: Any) -> Patient:
        patient = admit(**settings)
        with suppress(StoreError):
            now = patient.redis.time()
            monkeypatch.setattr(patient.redis, "time", lambda: now)
        return patient

    return still


def live(patient: Patient, kind: str = "worker", name: str = HERE, ago: float = 0, **detail: str) -> None:
    """A process gave its last sign so many seconds ago, and its first as long before."""
    ProcessStore(patient.redis).record_heartbeat(kind, name, detail)
    at = int((patient.now() - ago) * 1_000)
    patient.redis.zadd(keys.PROCESSES, {f"{kind}:{name}": at})
    patient.redis.hset(keys.process(kind, name), "since", at)


def test_one_worker_of_all_queues_is_enough(admit: Admit) -> None:
    patient = admit()
    live(patient, queues=",".join(queue_names(patient.config)))
    assert well(patient, "workers").startswith("1 worker, ")


def test_without_a_worker_nothing_goes_on(admit: Admit) -> None:
    ((level, what),) = told(admit(), "workers")
    assert (level, what[:18]) == ("wrong", "no worker is alive")


def test_a_worker_that_has_fallen_silent_is_named(admit: Admit) -> None:
    patient = admit()
    live(patient, ago=31, queues=",".join(queue_names(patient.config)))
    assert told(patient, "workers") == [("wrong", f"no worker is alive: {HERE} is silent for 31 s")]
    live(patient, name="willcall-8@elsewhere", queues=",".join(queue_names(patient.config)))
    assert told(patient, "workers") == [("warning", f"{HERE} is silent for 31 s")]


@pytest.mark.parametrize(("kind", "check"), [("worker", "workers"), ("beat", "beat")])
def test_the_last_that_ended_is_named_for_as_long_as_none_is_alive(admit: Admit, kind: str, check: str) -> None:
    patient = admit()
    live(patient, kind)
    patient.processes.remove(kind, HERE)
    at = patient.now() - 7_200
    patient.redis.hset(keys.LAST_HEARTBEATS, kind, f'[{int(at * 1_000)},"{HERE}"]')
    when = format_timestamp(int(at * 1_000) / 1_000)
    assert told(patient, check) == [("wrong", f"no {kind} is alive: the last sign, of {HERE}, was 2 h ago, {when}")]


def test_a_queue_that_nobody_serves_is_named(admit: Admit) -> None:
    patient = admit()
    live(patient, queues="willcall,willcall.sweeps,willcall.notify,willcall.documents,willcall.poll.tiqets")
    assert told(patient, "workers") == [("wrong", "no worker takes from willcall.poll.tixstock")]
    live(patient, name="willcall-8@elsewhere", queues="willcall.poll.tixstock")
    assert well(patient, "workers").startswith("2 workers, ")


def test_workers_that_wait_for_their_broker_serve_nothing(admit: Admit) -> None:
    patient = admit()
    live(patient, queues=",".join(queue_names(patient.config)), state="suspended")
    assert told(patient, "workers") == [("wrong", "all workers wait for the broker, or are stopping")]


def test_beat_is_alive_by_its_last_sign(admit: Admit) -> None:
    patient = admit()
    live(patient, "beat", ago=21)
    assert told(patient, "beat") == [("wrong", f"no beat is alive: {HERE} is silent for 21 s")]
    live(patient, "beat", "willcall-8@elsewhere", ago=3)
    assert well(patient, "beat") == "1 beat, the last sign 3 s ago"


@pytest.fixture
def swept(admit: Admit) -> Patient:
    """All sweeps ran a moment ago, and beat is alive."""
    patient = admit()
    live(patient, "beat")
    patient.redis.hincrby(keys.process("beat", HERE), "since", -3_600_000)
    for name in SWEEPS:
        SweepStore(patient.redis).record_success(name, patient.now() - 1, 0.1, {})
    return patient


def test_sweeps_that_ran_in_time_are_well(swept: Patient) -> None:
    assert well(swept, "sweeps") == f"all {len(SWEEPS)} are in time, the last run was 1 s ago"


def test_a_sweep_that_failed_or_is_missed_is_named(swept: Patient) -> None:
    sweeps = SweepStore(swept.redis)
    sweeps.record_failure("notify", swept.now() - 4, 0.1, "TimeoutError")
    sweeps.record_success("documents", swept.now() - 80, 0.1, {})
    failed, missed = "notify failed 4 s ago: TimeoutError", "missed: documents (every 30 s) ran 1 min 35 s ago"
    assert wrong(swept) == [failed]
    sweeps.record_success("documents", swept.now() - 95, 0.1, {})
    assert wrong(swept) == [failed, missed]


def test_what_starts_missed_sweeps_depends_on_who_is_alive(swept: Patient) -> None:
    SweepStore(swept.redis).record_success("expire", swept.now() - 95, 0.1, {})

    def mend() -> str:
        (finding,) = findings(swept, "sweeps")
        return str(finding.mend)

    assert mend().startswith("Start a worker; ")
    live(swept, queues="willcall.sweeps")
    assert "; if one does, restart beat; " in mend()
    swept.processes.remove("beat", HERE)
    assert mend().startswith("Start beat; ")


def test_every_sweep_has_its_interval(swept: Patient) -> None:
    assert swept.config.settings.sweeps.intervals.keys() == SWEEPS.keys()


def wrong(patient: Patient) -> list[str]:
    """What is wrong, without the rest."""
    found = told(patient, "sweeps")
    assert all(level == "wrong" for level, _ in found)
    return [what for _, what in found]


def test_a_sweep_is_missed_no_sooner_than_beat_could_have_started_it(admit: Admit) -> None:
    patient = admit()
    assert told(patient, "sweeps") == [("not checked", "beat is away")]
    live(patient, "beat")
    assert well(patient, "sweeps") == f"all {len(SWEEPS)} are in time, none has had to run yet"
    patient.redis.hincrby(keys.process("beat", HERE), "since", -120_000)
    (missed,) = wrong(patient)
    assert {name for name in SWEEPS if f"{name} (" not in missed} == {"reconcile", "prune"}
    assert "never ran" in missed


@pytest.mark.parametrize("kind", ["worker", "beat", "api"])
def test_a_process_is_asked_for_by_its_host(admit: Admit, kind: str) -> None:
    patient = admit()
    live(patient, kind, "willcall-7@elsewhere")
    (finding,) = own.check(patient, kind)
    assert finding.level is Level.WRONG
    assert finding.found.startswith(f"no {kind} on {socket.gethostname()} ")
    live(patient, kind, ago=25)
    (finding,) = own.check(patient, kind)
    assert (finding.level, finding.found) == (Level.WRONG, f"{HERE} is silent for 25 s")
    live(patient, kind, f"willcall-9@{socket.gethostname()}")
    (finding,) = own.check(patient, kind)
    assert (finding.level, finding.found) == (Level.OK, f"willcall-9@{socket.gethostname()}, seen 0 s ago")


def test_a_process_is_not_restarted_because_redis_is_away(admit: Admit) -> None:
    (finding,) = own.check(admit(redis_url="redis://127.0.0.1:1/0"), "worker")
    assert finding.level is Level.WARNING


def say_nothing(server: Server, _: socket.socket) -> None:
    server.stopped.wait()


@pytest.mark.parametrize("credentials", ["", ":top-secret@"])
def test_a_redis_that_hangs_is_asked_once_so_that_a_probe_ends_in_time(
    admit: Admit, serve: Serve, monkeypatch: pytest.MonkeyPatch, credentials: str
) -> None:
    monkeypatch.setattr("willcall.cli.doctor.patient.REDIS_TIMEOUT", 0.2)
    silent = serve(say_nothing)
    patient = admit(redis_url=f"redis://{credentials}127.0.0.1:{silent.port}/0")
    (finding,) = own.check(patient, "worker")
    assert finding.level is Level.WARNING
    wait_until(lambda: silent.connections == 2)  # the fixture asked as well


def test_a_probe_imports_nothing_that_only_other_commands_need(admit: Admit, tmp_path: Path) -> None:
    admit(redis_url="redis://127.0.0.1:1/0")
    code = (
        "import sys; from willcall.cli.commands.doctor import ProcessKind, doctor; import typer\n"
        "try: doctor(own=ProcessKind.WORKER)\n"
        "except typer.Exit: print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert not {"celery", "kombu", "willcall.usecases.context"} & set(ended.stdout.split())


@pytest.mark.parametrize("check", ["workers", "beat"])
def test_processes_are_not_called_dead_while_redis_takes_no_heartbeats(
    admit: Admit, server: ServeRedis, check: str
) -> None:
    full = server()
    patient = admit(redis_url=full.url)
    live(patient, "worker" if check == "workers" else "beat", ago=31)
    patient.redis.config_set("maxmemory", 1)
    [diagnosis] = examined(patient, [check])
    assert diagnosis.findings == [unknown("Redis does not serve")]
