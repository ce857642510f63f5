"""`Retry-After` in all the forms that servers send."""

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.retry_after import LONGEST, parse_retry_after

NOW = 1_800_000_000.0


@given(st.integers(0, 10**30))
def test_seconds_are_taken_as_they_are_up_to_a_year(seconds: int) -> None:
    assert parse_retry_after(str(seconds), NOW) == min(seconds, LONGEST)


@given(st.integers(-(10**7), 10**7))
def test_a_date_is_the_time_until_then_and_never_negative(offset: int) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + offset, UTC), usegmt=True)
    assert parse_retry_after(date, NOW) == min(max(offset, 0), LONGEST)


@given(st.text())
def test_anything_at_all_is_none_or_a_finite_wait(text: str) -> None:
    wait = parse_retry_after(text, NOW)
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= LONGEST)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("-5", None),
        ("soon", None),
        ("5 seconds", None),
        ("NaN", None),
        ("inf", None),
        ("1e9", None),
        ("٣", None),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        ("172800", 172_800.0),
        ("9" * 300, LONGEST),
        ("Fri, 15 Jan 2027 08:00:10 GMT", 10.0),
        ("Friday, 15-Jan-27 08:00:10 GMT", 10.0),
        ("Fri Jan 15 08:00:10 2027", 10.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 99 Jan 2027 08:00:10 GMT", None),
        ("Fri, 15 Jan 99999 08:00:10 GMT", None),
    ],
)
def test_known_forms(value: str | None, wait: float | None) -> None:
    assert parse_retry_after(value, NOW) == wait
