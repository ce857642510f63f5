"""Calls that were not answered are repeated, never for longer than the patience."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_memory import Clock, Server

from examples import ORDER
from willcall_client import Client, Problem, UnavailableError, UnreachableError
from willcall_client.retries import Retries, retry_after

Connect = Callable[..., Client]
NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
PROBLEM = Problem(type="about:blank", title="", status=503, detail="unavailable")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_unavailable_server_is_called_again_with_the_same_order(
    connect: Connect, server: Server, clock: Clock, status: int
) -> None:
    server.answers = [
        httpx.Response(status, text="<html>"),
        httpx.ConnectError("refused"),
        httpx.Response(201, json=ORDER),
    ]
    assert connect().submit("tiqets", "1111111").id == "ord-1"
    first, _, third = (request.content for request in server.requests)
    assert first == third
    assert b'"id": "ord_' in first
    assert [round(wait, 1) for wait in clock.slept] == pytest.approx([0.2, 0.4], abs=0.1)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("timed out"),
        httpx.ReadTimeout("timed out"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("closed"),
        httpx.ProxyError("502 Bad Gateway"),
    ],
)
def test_no_response_is_an_error_after_the_patience(
    connect: Connect, server: Server, clock: Clock, failure: Exception
) -> None:
    server.answers = [failure]
    with pytest.raises(UnreachableError, match=r"Willcall (cannot be reached|did not respond in time)"):
        connect(patience=10).order("ord-1")
    assert 5 < sum(clock.slept) <= 10
    assert len(server.requests) == len(clock.slept) + 1


def test_a_wait_beyond_the_patience_is_the_callers(connect: Connect, server: Server, clock: Clock) -> None:
    server.answers = [httpx.Response(503, headers={"Retry-After": "3600"}, json={"detail": "Redis is unavailable"})]
    with pytest.raises(UnavailableError, match="Redis is unavailable") as error:
        connect().order("ord-1")
    assert (error.value.retry_after, len(server.requests), clock.slept) == (3600.0, 1, [])


def test_retry_after_is_respected(connect: Connect, server: Server, clock: Clock) -> None:
    date = format_datetime(NOW, usegmt=True), format_datetime(NOW + timedelta(seconds=7), usegmt=True)
    server.answers = [
        httpx.Response(503, headers={"Retry-After": "5"}),
        httpx.Response(429, headers={"Date": date[0], "Retry-After": date[1]}),
        httpx.Response(200, json=ORDER),
    ]
    connect(patience=60).order("ord-1")
    first, second = clock.slept
    assert 5.0 <= first < 6.0
    assert 7.0 <= second < 8.0


def test_other_errors_are_not_repeated(connect: Connect, server: Server, clock: Clock) -> None:
    server.answers = [httpx.Response(500, text="oops")]
    with pytest.raises(Exception, match="HTTP 500"):
        connect().order("ord-1")
    assert clock.slept == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("9" * 5_000, 366 * 86_400.0),
        ("Mon, 30 Nov 2026 12:02:00 GMT", 120.0),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0.0),
        ("Monday, 30-Nov-26 12:00:30 GMT", 30.0),
        *((garbage, None) for garbage in ("", "soon", "-5", "1e9", "inf", "\u0661", "Mon, 99 Nov 2026")),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: "float | None") -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_a_date_counts_from_the_servers_own_clock() -> None:
    headers = {"retry-after": "Mon, 30 Nov 2026 12:02:00 GMT", "date": "Mon, 30 Nov 2026 12:01:30 GMT"}
    assert retry_after(headers, NOW - timedelta(hours=5)) == 30.0


@given(st.text())
def test_no_value_of_the_header_is_an_error(value: str) -> None:
    seconds = retry_after({"retry-after": value, "date": value}, NOW)
    assert seconds is None or seconds >= 0


@given(
    st.floats(0, 1_000),
    st.floats(0.1, 100),
    st.lists(st.tuples(st.floats(0, 200), st.none() | st.floats(0, 2_000)), min_size=20, max_size=20),
)
def test_no_attempt_begins_after_the_patience_nor_before_it_may(
    patience: float, timeout: float, attempts: "list[tuple[float, float | None]]"
) -> None:
    now, retries = 0.0, Retries(patience, timeout, 0.0)
    assert retries.timeout(now) == timeout
    for took, asked in attempts:
        now += min(took, retries.timeout(now))
        failure = UnavailableError(PROBLEM, asked)
        try:
            wait = retries.pause(failure, now)
        except UnavailableError as raised:
            assert raised is failure  # noqa: PT017 - the end of the patience
            return
        assert wait >= (asked or 0.0)
        now += wait
        assert now <= patience + 1e-6
        assert retries.timeout(now) <= min(timeout, max(patience - now, 1.0)) + 1e-6
