"""Statistics of commits, and durations in buckets."""

from collections import Counter
from dataclasses import replace
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.strategies import NOW, orders
from willcall.orders.model import FINAL, Attempt, Order, Status
from willcall.orders.statistics import (
    BUCKET_BOUNDS,
    LATENESS,
    TIME_TO_TICKET,
    CommitStatistics,
    bucket,
    commit_statistics,
    counter_names,
    quantile,
)

ATTEMPT = Attempt(NOW, "not_ready", 202, None, "", late=0.3)
SHARES = st.floats(0, 1)

durations = st.floats(0, 200_000) | st.sampled_from([bound for bounds in BUCKET_BOUNDS.values() for bound in bounds])


@given(st.sampled_from([LATENESS, TIME_TO_TICKET]), st.lists(durations, min_size=1, max_size=200), SHARES)
def test_a_quantile_is_the_end_of_the_bucket_of_the_exact_one(name: str, seconds: list[float], share: float) -> None:
    counts = Counter(f"{name}:{bucket(name, one)}" for one in seconds)
    exact = sorted(seconds)[max(0, ceil(share * len(seconds)) - 1)]
    assert quantile(counts, name, share) == float(bucket(name, exact))


@given(st.sampled_from([LATENESS, TIME_TO_TICKET]), st.lists(durations, min_size=1), SHARES, SHARES)
def test_a_larger_share_has_no_smaller_quantile(name: str, seconds: list[float], one: float, other: float) -> None:
    counts = Counter(f"{name}:{bucket(name, each)}" for each in seconds)
    small, large = quantile(counts, name, min(one, other)), quantile(counts, name, max(one, other))
    assert small is not None
    assert large is not None
    assert small <= large


def test_without_values_there_is_no_quantile() -> None:
    assert quantile({"outcome:issued": 5, "ticket:10": 3}, LATENESS, 0.5) is None


@pytest.mark.parametrize(
    ("seconds", "name"), [(0, "0.05"), (0.05, "0.05"), (0.051, "0.1"), (3_600, "3600"), (inf, "inf")]
)
def test_a_bound_is_included_in_its_bucket(seconds: float, name: str) -> None:
    assert bucket(LATENESS, seconds) == name


@given(orders(), orders())
def test_only_a_transition_to_a_final_status_counts_as_ended(before: Order, after: Order) -> None:
    measured = commit_statistics(before, after, None)
    assert measured.ended == (after.status if after.status in FINAL and after.status is not before.status else None)
    assert (measured.ticket is not None) <= (measured.ended is Status.FULFILLED)
    assert (measured.outcome, measured.late) == (None, None)


def test_the_time_to_the_ticket_counts_from_not_before_where_that_is_later() -> None:
    before = Order("ord-1", "tiqets", "default", "r", Status.PENDING, NOW, NOW + 9_999)
    after = replace(before, status=Status.FULFILLED, finished_at=NOW + 700)
    assert commit_statistics(before, after, ATTEMPT) == CommitStatistics("not_ready", 0.3, Status.FULFILLED, 700)
    waited = replace(after, not_before=NOW + 600)
    assert commit_statistics(before, waited, ATTEMPT).ticket == 100
    assert commit_statistics(before, replace(after, not_before=NOW - 50), ATTEMPT).ticket == 700


def test_counters_are_named_by_their_measure_and_what_it_was() -> None:
    measured = CommitStatistics("issued", 0.3, Status.FULFILLED, 700.0)
    assert counter_names(measured) == ("outcome:issued", "late:0.5", "ended:fulfilled", "ticket:1200")
    assert counter_names(CommitStatistics()) == ()
