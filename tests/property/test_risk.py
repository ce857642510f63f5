"""When an order is at risk, for any submission, event and lead."""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from willcall.orders.risk import risk_at, risk_moments

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
SUBMITTED = datetime(2026, 11, 22, 17, tzinfo=UTC).timestamp()

lefts = st.floats(1.0, 400 * DAY) | st.sampled_from([MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, DAY, 30 * DAY])
leads = st.floats(1.0, 60 * DAY) | st.sampled_from([MINUTE, HOUR, DAY])


@pytest.mark.parametrize(
    ("left", "lead", "minutes"),
    [
        (3 * HOUR, DAY, [15, 138.75]),  # 17:00 for 20:00: at 17:15 and at 19:18:45
        (20 * MINUTE, DAY, [10]),  # half of the time left; a second time would be after the event
        (HOUR, DAY, [15, 48.75]),
        (30 * MINUTE, DAY, [15]),
        (40 * MINUTE, DAY, [15, 33.75]),
        (10 * 24 * HOUR, DAY, [9 * 24 * 60, 9 * 24 * 60 + 18 * 60]),
        (2 * HOUR, 30 * MINUTE, [90, 112.5]),
        (2 * HOUR, 10 * MINUTE, [110]),
        (0, DAY, []),
        (-HOUR, DAY, []),
        (HOUR, 0, []),
    ],
)
def test_an_order_is_at_risk_at_exactly_these_minutes_after_its_submission(
    left: float, lead: float, minutes: list[float]
) -> None:
    moments = risk_moments(SUBMITTED, SUBMITTED + left, lead)
    assert [(moment - SUBMITTED) / MINUTE for moment in moments] == minutes


@given(lefts, leads)
def test_the_first_moment_is_the_later_of_lead_and_patience(left: float, lead: float) -> None:
    event = SUBMITTED + left
    first, *_ = risk_moments(SUBMITTED, event, lead)
    assert first == max(event - lead, SUBMITTED + min(15 * MINUTE, left / 2))
    assert SUBMITTED <= first <= event


@given(lefts, leads)
def test_the_second_moment_leaves_a_quarter_of_the_time_and_a_quarter_of_an_hour(left: float, lead: float) -> None:
    event = SUBMITTED + left
    first, *second = risk_moments(SUBMITTED, event, lead)
    for moment in second:
        assert first + 15 * MINUTE <= moment < event
        assert moment == max(event - (event - first) / 4, first + 15 * MINUTE)
    if not second:
        assert first + 15 * MINUTE >= event or (event - first) / 4 < 1e-6


@given(lefts, leads, st.floats(-DAY, 500 * DAY))
def test_the_risk_counts_the_moments_that_have_come_and_names_the_next(left: float, lead: float, later: float) -> None:
    now, event = SUBMITTED + later, SUBMITTED + left
    moments = risk_moments(SUBMITTED, event, lead)
    risk = risk_at(now, SUBMITTED, event, lead)
    assume(event - now > 1e-3 or now >= event)
    if now >= event:
        assert (risk.count, risk.next_at) == (0, None)
    else:
        assert risk.count == len([moment for moment in moments if moment <= now])
        assert risk.next_at is not None
        assert risk.next_at > now
        assert risk.next_at in {*moments, event}
    assert risk.at_risk == (moments[:1] <= (now,) and now < event and bool(moments))
