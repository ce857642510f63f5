"""The check of upgrades: which release it takes, and what it calls lost or doubled."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.upgrade import releases, state_dump
from bench.upgrade.releases import NoReleaseError, check_out, released_commit
from bench.upgrade.run import judge_callbacks
from bench.upgrade.scenario import scenario
from willcall.devtools.callback_receiver import ReceivedCallback


def callback(event: str, status: int = 200, *, verified: bool = True) -> ReceivedCallback:
    return ReceivedCallback("/ord-1", event, {}, {}, verified, 0.0, status)


@pytest.mark.parametrize(
    ("received", "events", "problem"),
    [
        ([callback("a", 503), callback("a")], ["a"], None),
        ([callback("b")], ["a", "b"], None),  # a newer event supersedes one that was not delivered
        ([], ["a"], "was not delivered"),
        ([callback("a", 503)], ["a"], "was not delivered"),
        ([callback("b"), callback("a")], ["a", "b"], "was not delivered last"),
        ([callback("a"), callback("a")], ["a"], "doubled"),
        ([callback("x"), callback("a")], ["a"], "of no event"),
        ([callback("a", verified=False)], ["a"], "wrong signature"),
    ],
)
def test_callbacks_are_judged(received: list[ReceivedCallback], events: list[str], problem: str | None) -> None:
    problems = judge_callbacks(Mock(received=received), "ord-1", events)
    assert (problems == []) == (problem is None)
    assert problem is None or problem in " ".join(problems)


def test_the_last_release_is_the_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "released"
    monkeypatch.setattr(releases, "ROOT", tmp_path)
    monkeypatch.setattr(releases, "RELEASED", file)
    file.write_text("# The last release\n")
    with pytest.raises(NoReleaseError, match="nothing has been released yet"):
        released_commit()
    file.write_text("# The last release\n1.0.0 abc\n1.1.0 def\n")
    assert released_commit() == "def"


def test_a_checkout_without_the_history_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoReleaseError, match="lacks the history"):
        check_out("0" * 40, tmp_path / "release")


def test_the_ids_and_references_of_a_scenario_are_unique() -> None:
    orders = scenario().orders
    assert len({order.id for order in orders}) == len(orders)
    assert len({(order.script.provider, order.script.reference) for order in orders}) == len(orders)


@given(st.binary())
def test_every_value_survives_a_dump(value: bytes) -> None:
    assert state_dump.to_bytes(state_dump.to_text(value)) == value
