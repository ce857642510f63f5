"""The retry policy of callbacks, for any response."""

from random import Random
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.callbacks import JITTER, SCHEDULE, CallbackStatus, PostResult, decide_delivery
from willcall.orders.hints import MAX_HINT
from willcall.orders.urls import callback_host, redact_callback_url

LAST = len(SCHEDULE) + 1
FAILURES = st.integers(100, 599).filter(lambda status: status // 100 != 2 and status != 410) | st.none()
HINTS = st.none() | st.floats(0, 10**8)
RNGS = st.randoms(use_true_random=False)


@given(st.integers(200, 299), st.integers(1, LAST), HINTS, RNGS)
def test_any_2xx_ends_the_delivery(status: int, tries: int, hint: float | None, rng: Random) -> None:
    decision = decide_delivery(PostResult(status, retry_after=hint), tries, rng)
    assert (decision.status, decision.wait) == (CallbackStatus.DELIVERED, None)


@given(FAILURES, st.integers(1, LAST - 1), HINTS, RNGS)
def test_a_failure_waits_for_the_schedule_or_the_hint_whichever_is_longer(
    status: int | None, tries: int, hint: float | None, rng: Random
) -> None:
    decision = decide_delivery(PostResult(status, retry_after=hint), tries, rng)
    assert decision.status is CallbackStatus.PENDING
    assert decision.wait is not None
    least = max(SCHEDULE[tries - 1], min(hint or 0, MAX_HINT))
    assert least <= decision.wait <= least * (1 + JITTER)


@given(FAILURES, st.integers(1, LAST - 1), st.floats(0, 10**8), RNGS)
def test_a_hint_of_the_receiver_is_followed_exactly(status: int | None, tries: int, hint: float, rng: Random) -> None:
    """Unless the schedule itself waits for longer; what is not plausible counts as a day."""
    decision = decide_delivery(PostResult(status, retry_after=hint), tries, rng)
    assert decision.wait is not None
    if min(hint, MAX_HINT) > SCHEDULE[tries - 1] * (1 + JITTER):
        assert decision.wait == min(hint, MAX_HINT)


@given(FAILURES, st.integers(LAST, LAST + 5), HINTS, RNGS)
def test_the_last_failure_ends_the_delivery(status: int | None, tries: int, hint: float | None, rng: Random) -> None:
    decision = decide_delivery(PostResult(status, retry_after=hint), tries, rng)
    assert (decision.status, decision.wait) == (CallbackStatus.UNDELIVERABLE, None)


@given(st.integers(1, LAST), RNGS)
@pytest.mark.parametrize(
    "tried",
    [PostResult(410), PostResult(410, retry_after=5), PostResult(None, "not allowed", refused=True)],
)
def test_a_gone_or_forbidden_endpoint_is_not_retried(tried: PostResult, tries: int, rng: Random) -> None:
    assert decide_delivery(tried, tries, rng).status is CallbackStatus.UNDELIVERABLE


def test_the_schedule_is_the_standards() -> None:
    minute, hour = 60, 3_600
    waits = (5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour)
    assert waits == SCHEDULE


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Backend.example/hooks?key=1", "backend.example"),
        ("http://user:pass@backend.example:8080/x", "backend.example:8080"),
        ("http://[::1]:80/", "[::1]:80"),
    ],
)
def test_backends_are_distinguished_by_host_and_port(url: str, host: str) -> None:
    assert callback_host(url) == host


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://backend.example/hooks", "https://backend.example/hooks"),
        ("http://Backend.example:8080", "http://Backend.example:8080"),
        ("https://backend.example/hooks?token=sesame", "https://backend.example/hooks?token=***"),
        ("https://backend.example/?shop=1&token=a=b&to", "https://backend.example/?shop=***&token=***&***"),
        ("https://backend.example/?sesame", "https://backend.example/?***"),
        ("https://backend.example/?a=1;token=sesame", "https://backend.example/?a=***"),
        ("https://backend.example/hooks?=sesame#sesame", "https://backend.example/hooks?=***"),
        ("https://me:sesame@backend.example/", "https://backend.example/"),
        ("http://[::1]:80/x?token=", "http://[::1]:80/x?token=***"),
    ],
)
def test_a_callback_url_is_shown_without_its_query(url: str, shown: str) -> None:
    assert redact_callback_url(url) == shown


@given(st.lists(st.tuples(st.text("ab", min_size=1), st.text(min_size=1).map(lambda text: f"sesame{text}"))))
def test_no_value_of_a_query_is_shown(pairs: list[tuple[str, str]]) -> None:
    shown = redact_callback_url(f"https://backend.example/hooks?{urlencode(pairs, quote_via=quote)}")
    assert "sesame" not in shown
    assert shown.count("***") == len(pairs)
