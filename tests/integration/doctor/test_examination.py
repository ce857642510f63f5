"""All checks together, and the command."""

import json
import socket
import threading
from pathlib import Path

import pytest

from tasks.queues import queue_names
from tests.command import run
from tests.integration.doctor.conftest import Admit
from tests.waiting import STALL
from willcall.cli.doctor.examination import CHECKS, examine, examined
from willcall.cli.doctor.findings import Finding, Level, ok
from willcall.cli.doctor.patient import Patient
from willcall.cli.doctor.view import document, summary
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores.processes import ProcessStore


def levels(patient: Patient) -> dict[str, set[str]]:
    return {each.check: {finding.level.value for finding in each.findings} for each in examined(patient, [])}


def test_where_redis_is_away_the_rest_is_checked_and_what_stands_on_it_is_not(admit: Admit) -> None:
    found = levels(admit(redis_url="redis://127.0.0.1:1/0"))
    assert found.keys() == CHECKS.keys()
    assert found.pop("redis") == {"wrong"}
    assert found.pop("config") == found.pop("documents") == {"ok"}
    assert found.pop("callbacks") == {"warning", "not checked"}
    assert set(map(tuple, found.values())) == {("not checked",)}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks may take a minute."""
    monkeypatch.setattr(examine, "__defaults__", (STALL,))


def test_a_check_that_hangs_and_one_that_fails_keep_nobody_from_an_answer(
    admit: Admit, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    # When it looks whether what hangs has ended the time is up, and not yet for the others.
    monkeypatch.setattr("willcall.cli.doctor.examination.monotonic", iter([0.0, STALL, 0.0, 0.0]).__next__)

    def hangs(_: Patient) -> list[Finding]:
        held.wait()
        return []

    def fails(_: Patient) -> list[Finding]:
        raise ZeroDivisionError("a text that may hold a secret")

    checks = {"hangs": hangs, "fails": fails, "well": lambda _: [ok("fine")]}
    hung, failed, well = examine(admit(), checks)
    held.set()
    assert [finding.found for finding in hung.findings] == ["no answer within 60 s"]
    assert [finding.found for finding in failed.findings] == ["the check failed: ZeroDivisionError"]
    assert [each.well for each in (hung, failed, well)] == [False, False, True]


def test_what_was_not_checked_is_not_well_and_a_warning_is(admit: Admit) -> None:
    away = admit(redis_url="redis://127.0.0.1:1/0")
    for name, well, words in (
        ("beat", False, "1 could not be checked."),
        ("config", True, "All is well."),
        ("callbacks", False, "1 could not be checked, 1 warning."),
    ):
        diagnoses = examined(away, [name])
        assert document(diagnoses)["ok"] is well
        assert summary(diagnoses) == words
    unsigned = examined(admit(), ["callbacks"])
    assert document(unsigned)["ok"] is True
    assert summary(unsigned) == "1 warning."


@pytest.fixture
def box(admit: Admit, tmp_path: Path) -> Path:
    """A folder with a configuration over a Redis that is well, with a worker alive."""
    patient = admit(notify={"secret": "whsec_" + "QUJD" * 8})
    queues = ",".join(queue_names(patient.config))
    ProcessStore(patient.redis).record_heartbeat("worker", f"willcall-7@{socket.gethostname()}", {"queues": queues})
    return tmp_path


def doctor(folder: Path, *options: str, **around: str) -> tuple[int, str]:
    """`willcall doctor` as it is run: its exit code and what it said."""
    ended = run(folder, "doctor", *options, around=around)
    assert "top-secret" not in ended.out + ended.err
    return ended.code, ended.out


def test_the_command_ends_with_0_only_where_nothing_is_wrong(box: Path, redis_server: EmbeddedRedis) -> None:
    code, out = doctor(box, "--json")
    assert code == 1
    found = json.loads(out)
    assert found["ok"] is False
    wrong = {finding["check"] for finding in found["findings"] if finding["level"] == Level.WRONG}
    assert wrong == {"beat"}
    assert redis_server.url.split(":")[2].partition("@")[0] not in out
    code, out = doctor(box, "--only", "redis", "--only", "workers")
    assert (code, out.strip().splitlines()[-1]) == (0, "All is well.")
    assert doctor(box, "--self", "worker")[0] == 0
    assert doctor(box, "--self", "beat")[0] == 1


def test_a_wrong_configuration_and_wrong_usage_end_with_2(box: Path) -> None:
    code, out = doctor(box, "--json", WILLCALL_SWEEPS__REVIVE="-1", WILLCALL_COLOUR="blue")
    assert code == 2
    found = json.loads(out)["findings"]
    assert [(finding["check"], finding["level"]) for finding in found] == [("config", "wrong")] * 2
    assert doctor(box, "--only", "redis", "--only", "weather")[0] == 2
    assert doctor(box, "--only", "redis", "--self", "worker")[0] == 2
