"""`Retry-After` in all the forms that servers send."""

import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.hints import MAX_HINT, hint_until
from willcall.orders.retry_after import MAX_WAIT, RetryAfter, parse_retry_after, retry_after_seconds

NOW = 1_800_000_000.0
YEAR = 365 * 86_400


def wait_of(value: str | None, now: float, date: str | None = None) -> float | None:
    headers = {"retry-after": value, "date": date}
    return retry_after_seconds({name: text for name, text in headers.items() if text is not None}, now)


offsets = st.integers(-(10**7), 10**7)
#: How wrong a server's clock may be.
skews = st.integers(-YEAR, YEAR)


def dated(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


def forms(moment: float) -> list[str]:
    """The ways of writing a moment, all of which are the same."""
    date = datetime.fromtimestamp(moment, UTC)
    return [
        dated(moment),
        f'"{dated(moment)}"',
        date.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        date.strftime("%a %b %d %H:%M:%S %Y"),
        date.isoformat(),
        date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{moment:.0f}",
        f"{moment:.0f}.0",
        f" {moment:.0f}000 ",
    ]


@given(st.integers(0, 10**8))
def test_seconds_are_accepted_up_to_a_year(seconds: int) -> None:
    assert wait_of(str(seconds), NOW) == min(seconds, MAX_WAIT)


@given(offsets)
def test_a_date_is_the_time_until_then_and_never_negative(offset: int) -> None:
    for form in forms(NOW + offset):
        assert wait_of(form, NOW) == min(max(offset, 0), MAX_WAIT), form


@given(st.integers(0, 10**6), skews)
def test_a_date_counts_from_the_date_of_the_response(offset: int, skew: int) -> None:
    """A wrong clock of the server is the same in both headers."""
    for form in forms(NOW + skew + offset):
        assert wait_of(form, NOW, dated(NOW + skew)) == offset, form


@given(st.text() | st.just("yesterday"), offsets)
def test_an_invalid_date_header_falls_back_to_our_clock(date: str, offset: int) -> None:
    assert wait_of(dated(NOW + offset), NOW, "?" + date) == min(max(offset, 0), MAX_WAIT)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_longest_of_several_counts(waits: list[int], rng: object) -> None:
    written = [rng.choice([str(wait), *forms(NOW + wait)]) for wait in waits]  # type: ignore[attr-defined]
    joined = ", ".join([*written, "soon", ""])
    assert wait_of(joined, NOW) == max(waits)


@given(st.integers(0, 10**6))
def test_small_numbers_are_seconds_even_with_a_date_near_the_epoch(seconds: int) -> None:
    """A server whose clock starts with 1970 means the seconds that it says."""
    assert wait_of(str(seconds), NOW, dated(seconds)) == seconds


@given(st.text() | st.text("0123456789.,:- GMTSunJan\"'shm"))
def test_any_value_is_none_or_a_finite_wait(text: str) -> None:
    for date in (None, text):
        wait = wait_of(text, NOW, date)
        assert wait is None or (math.isfinite(wait) and 0 <= wait <= MAX_WAIT)


@given(st.none() | st.floats(0, 1e9), st.floats(0, 1e6))
def test_a_hint_holds_to_the_second_up_to_a_day_and_a_substitute_beyond(wait: float | None, fallback: float) -> None:
    until = hint_until(wait, NOW, fallback=NOW + fallback)
    expected = 0.0 if wait is None else wait if wait <= MAX_HINT else fallback
    assert until == (NOW + expected if NOW + expected > NOW else None)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        (",", None),
        ("-5", None),
        ("soon", None),
        ("NaN", None),
        ("inf", None),
        ("1e9", None),
        ("1.2.3", None),
        ("0x10", None),
        ("٣", None),
        ("0", 0.0),
        (" 5 ", 5.0),
        ("+5", 5.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("'5'", 5.0),
        ('"5"', 5.0),
        ("5s", 5.0),
        ("5 seconds", 5.0),
        ("2 minutes", 120.0),
        ("1m30s", 90.0),
        ("PT2H", 7_200.0),
        ("172800", 172_800.0),
        ("9" * 300, MAX_WAIT),
        ("Fri, 15 Jan 2027 08:00:10 GMT", 10.0),
        ("fri, 15 jan 2027 08:00:10 gmt", 10.0),
        ("Fri, 15 Jan 2027 09:00:10 +0100", 10.0),
        ("Friday, 15-Jan-27 08:00:10 GMT", 10.0),
        ("Fri Jan 15 08:00:10 2027", 10.0),
        ("2027-01-15 08:00:10", 10.0),
        ("2027-01-15T09:00:10.5+01:00", 10.5),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 99 Jan 2027 08:00:10 GMT", None),
        ("Fri, 15 Jan 99999 08:00:10 GMT", None),
    ],
)
def test_known_forms_are_parsed(value: str | None, wait: float | None) -> None:
    assert wait_of(value, NOW) == wait


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("1800000030", RetryAfter(30.0, epoch=True)),
        ("1800000030000", RetryAfter(30.0, epoch=True)),
        ("1799999990", RetryAfter(0.0, epoch=True)),
        ("999999999", RetryAfter(MAX_WAIT)),
        ("1000000001", RetryAfter(MAX_WAIT)),
        ("120", RetryAfter(120.0)),
    ],
    ids=str,
)
def test_a_number_near_the_present_epoch_is_a_point_in_time(value: str, read: RetryAfter) -> None:
    assert parse_retry_after(value, NOW) == read


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("9" * 5_000, MAX_WAIT),
        ("0" * 60_000 + "120", 120.0),
        ("9" * 60_000 + "x", None),
        ("1." * 30_000, None),
        ("5," * 30_000, 5.0),
        ("Sun, " * 12_000, None),
        ("5 " * 30_000, None),
    ],
    ids=["digits", "zeros", "digits and a letter", "points", "values", "days", "blanks"],
)
def test_a_header_of_any_length_is_parsed_quickly(text: str, wait: float | None) -> None:
    """Seconds of this thread's own; what grows with the square of the length takes minutes."""
    started = time.thread_time()
    assert wait_of(text, NOW) == wait
    assert wait_of(dated(NOW + 5), NOW, text) is not None
    assert time.thread_time() - started < 10
