"""All checks together, and the command."""

import json
import socket
import threading
from pathlib import Path

import pytest

from tasks.queues import queue_names
from tests.command import run
from tests.integration.doctor.conftest import MakeContext
from tests.waiting import STALL
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, Level, ok
from willcall.cli.doctor.report import results_to_json, summarize
from willcall.cli.doctor.runner import CHECKS, run_checks, run_in_parallel
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.stores import keys
from willcall.stores.processes import ProcessStore
from willcall.stores.sweeps import SweepStore


def levels(context: CheckContext) -> dict[str, set[str]]:
    return {each.check: {finding.level.value for finding in each.findings} for each in run_checks(context, [])}


def test_without_redis_only_the_checks_that_do_not_need_it_are_made(make_context: MakeContext) -> None:
    found = levels(make_context(redis_url="redis://127.0.0.1:1/0"))
    assert found.keys() == CHECKS.keys()
    assert found.pop("redis") == {"error"}
    assert found.pop("config") == found.pop("documents") == {"ok"}
    assert found.pop("callbacks") == {"warning", "not checked"}
    assert set(map(tuple, found.values())) == {("not checked",)}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks may take a minute."""
    monkeypatch.setattr(run_in_parallel, "__defaults__", (STALL,))


def test_a_check_that_hangs_or_fails_does_not_affect_the_others(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    # The time is up when the first thread is joined, and not yet for the others.
    monkeypatch.setattr("willcall.cli.doctor.runner.monotonic", iter([0.0, STALL, 0.0, 0.0]).__next__)

    def hangs(_: CheckContext) -> list[Finding]:
        held.wait()
        return []

    def fails(_: CheckContext) -> list[Finding]:
        raise ZeroDivisionError("a text that may hold a secret")

    checks = {"hangs": hangs, "fails": fails, "well": lambda _: [ok("fine")]}
    hung, failed, passed = run_in_parallel(make_context(), checks)
    held.set()
    assert [finding.message for finding in hung.findings] == ["timed out after 60 s"]
    assert [finding.message for finding in failed.findings] == ["the check failed: ZeroDivisionError"]
    assert [each.passed for each in (hung, failed, passed)] == [False, False, True]


def test_a_warning_passes_and_what_could_not_be_checked_does_not(make_context: MakeContext) -> None:
    away = make_context(redis_url="redis://127.0.0.1:1/0")
    for name, passed, words in (
        ("beat", False, "1 could not be checked."),
        ("config", True, "Everything is healthy."),
        ("callbacks", False, "1 could not be checked, 1 warning."),
    ):
        diagnoses = run_checks(away, [name])
        assert results_to_json(diagnoses)["ok"] is passed
        assert summarize(diagnoses) == words
    unsigned = run_checks(make_context(), ["callbacks"])
    assert results_to_json(unsigned)["ok"] is True
    assert summarize(unsigned) == "1 warning."


@pytest.fixture
def folder_with_config(make_context: MakeContext, tmp_path: Path) -> Path:
    """A folder with a configuration over a healthy Redis, with a running worker."""
    context = make_context(notify={"secret": "whsec_" + "QUJD" * 8})
    queues = ",".join(queue_names(context.config))
    ProcessStore(context.redis).record_heartbeat("worker", f"willcall-7@{socket.gethostname()}", {"queues": queues})
    return tmp_path


def doctor(folder: Path, *options: str, **around: str) -> tuple[int, str]:
    """`willcall doctor` as it is run: its exit code and what it said."""
    ended = run(folder, "doctor", *options, around=around)
    assert "top-secret" not in ended.out + ended.err
    return ended.code, ended.out


def test_the_exit_code_is_0_only_without_errors(folder_with_config: Path, redis_server: EmbeddedRedis) -> None:
    code, out = doctor(folder_with_config, "--json")
    assert code == 1
    found = json.loads(out)
    assert found["ok"] is False
    wrong = {finding["check"] for finding in found["findings"] if finding["level"] == Level.ERROR}
    assert wrong == {"beat"}
    assert redis_server.url.split(":")[2].partition("@")[0] not in out
    code, out = doctor(folder_with_config, "--only", "redis", "--only", "workers")
    assert (code, out.strip().splitlines()[-1]) == (0, "2 checks passed; others were not run.")
    code, out = doctor(folder_with_config, "--self", "worker")
    assert (code, out.strip().splitlines()[-1]) == (0, "1 check passed; others were not run.")
    assert doctor(folder_with_config, "--self", "beat")[0] == 1


def test_an_invalid_configuration_and_wrong_usage_have_exit_code_2(folder_with_config: Path) -> None:
    code, out = doctor(folder_with_config, "--json", WILLCALL_SWEEPS__GRACE="-1", WILLCALL_COLOUR="blue")
    assert code == 2
    found = json.loads(out)["findings"]
    assert [(finding["check"], finding["level"]) for finding in found] == [("config", "error"), ("config", "warning")]
    assert doctor(folder_with_config, "--only", "redis", "--only", "weather")[0] == 2
    assert doctor(folder_with_config, "--only", "redis", "--self", "worker")[0] == 2


def test_what_follows_from_missing_workers_is_one_problem(make_context: MakeContext) -> None:
    context = make_context()
    context.stores.processes.record_heartbeat("beat", "willcall-7@box", {})
    context.redis.hset(keys.process("beat", "willcall-7@box"), "since", 1)
    context.redis.zadd(keys.DELIVERIES_PENDING, {"ord-1": (context.now() - 3_600) * 1_000})
    SweepStore(context.redis).record_success("polls", context.now() - 3_600, 0.1, {})
    results = run_checks(context)
    found = {result.check: {finding.level for finding in result.findings} for result in results}
    assert found["workers"] == {Level.ERROR}
    assert Level.RESULT in found["sweeps"]
    assert Level.RESULT in found["callbacks"]
    assert summarize(results).startswith("1 problem needs fixing")
    (late,) = (finding for result in results if result.check == "sweeps" for finding in result.findings)
    assert late.fix == "Follows from workers, above."
    (alone,) = run_checks(context, ["sweeps"])
    assert alone.findings[0].level is Level.ERROR
