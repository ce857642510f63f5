import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.simulator.accounts import RateMeter
from willcall.simulator.script import RateScript

GAPS = st.lists(st.floats(0, 3), min_size=1, max_size=40)


@given(GAPS, st.integers(1, 6), st.floats(0.5, 20), st.floats(0.5, 5))
def test_the_overshoot_is_that_of_the_worst_window_of_all(
    gaps: list[float], burst: int, limit: float, period: float
) -> None:
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    bucket = RateMeter(RateScript(limit=limit, period=period, burst=burst))

    seen = max(bucket.take(at) for at in times)

    worst = max(
        end - start + 1 - burst - limit / period * (times[end] - times[start])
        for start in range(len(times))
        for end in range(start, len(times))
    )
    assert seen == pytest.approx(max(worst, 0.0), abs=1e-6)


def test_a_burst_and_then_the_rate_are_within() -> None:
    bucket = RateMeter(RateScript(limit=50, burst=10))
    times = [0.0] * 10 + [n / 50 for n in range(1, 200)]
    assert max(bucket.take(at) for at in times) == pytest.approx(0, abs=1e-6)


def test_one_more_than_the_burst_is_over_by_one() -> None:
    bucket = RateMeter(RateScript(limit=1, period=60, burst=2))
    assert [bucket.take(0.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_jitter_widens_the_burst_by_what_the_rate_gives_in_that_time() -> None:
    bucket = RateMeter(RateScript(limit=10, burst=1), jitter=0.2)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
