import pytest

from willcall.stores.accounts import ResumeOutcome
from willcall.views.formatting import (
    OVERDUE,
    format_count,
    format_due,
    format_duration,
    format_next_probe,
    format_relative,
    format_timestamp,
)
from willcall.views.promises import Conditions, describe_resume


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (3_605, "1 h"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_formatted_with_its_two_largest_units(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_a_short_duration_has_one_unit() -> None:
    assert format_duration(86_399, parts=1) == "23 h"


@pytest.mark.parametrize(("moment", "words"), [(104, "in 4 s"), (100.3, "now"), (40, "1 min ago")])
def test_a_time_is_formatted_relative_to_now(moment: float, words: str) -> None:
    assert format_relative(moment, 100) == words


@pytest.mark.parametrize(
    ("moment", "words"),
    [(1_004, "in 4 s"), (1_000, "any moment"), (1_000 - OVERDUE, "any moment"), (820, "overdue by 3 min")],
)
def test_a_time_in_the_past_is_overdue(moment: float, words: str) -> None:
    assert format_due(moment, 1_000) == words


def test_a_time_is_formatted_in_utc() -> None:
    assert format_timestamp(1_795_341_600) == "2026-11-22 10:00:00 UTC"


def test_counts_use_the_right_plural() -> None:
    assert format_count(1, "order") == "1 order"
    assert format_count(1_200, "order") == "1,200 orders"


@pytest.mark.parametrize(
    ("probe_at", "held", "beat", "words"),
    [
        (None, True, False, None),
        (1_004, True, True, "in 4 s"),
        (1_004, True, False, "once beat is running"),
        (1_004, False, False, "in 4 s"),
        (996, False, False, "with its next order"),
    ],
)
def test_an_account_with_held_orders_is_not_tried_without_beat(
    *, probe_at: float | None, held: bool, beat: bool, words: str | None
) -> None:
    assert format_next_probe(probe_at, 1_000, held=held, beat=beat) == words


@pytest.mark.parametrize(
    ("open_orders", "words"),
    [
        (0, "has no open orders; the next one submitted will check it."),
        (1, "is being checked with its only open order."),
        (2, "is being checked with one order; the other one continues once that succeeds."),
        (3, "is being checked with one order; the others continue once that succeeds."),
    ],
)
def test_resuming_a_stopped_account_promises_only_the_requests_that_it_has_orders_for(
    open_orders: int, words: str
) -> None:
    conditions = Conditions("tiqets/default", None, 0.0, workers=True)
    assert describe_resume(ResumeOutcome(probing=open_orders), conditions, "") == words
