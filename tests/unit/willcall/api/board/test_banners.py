from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from willcall.api.board.banners import banners, headline
from willcall.api.board.overview import AccountSummary, Overview
from willcall.orders.model import Attention, Status
from willcall.orders.policy import Rate
from willcall.providers.base import Account, Credentials
from willcall.providers.registry import ADAPTERS
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.listing import AccountBacklog, AttentionSummary
from willcall.stores.pending import PendingSummary
from willcall.stores.processes import Heartbeat, RunningProcess
from willcall.stores.sweeps import SweepRun
from willcall.views.accounts import AccountView
from willcall.views.overdue import PendingAlerts
from willcall.views.sweeps import OverdueSweep

NOW = 1_795_341_600.0
WELL = AccountState(AccountHealth.OK, None, None, None, 0, 10, 10)
ALIVE = [RunningProcess(kind, kind, NOW - 600, NOW - 2, {}) for kind in ("worker", "beat", "api")]

Line = Callable[..., AccountSummary]


@pytest.fixture
def line() -> Line:
    """An account with so many orders."""

    def make(
        provider: str = "tiqets", health: AccountHealth = AccountHealth.OK, orders: int = 0, overdue: int = 0
    ) -> AccountSummary:
        adapter = ADAPTERS[provider]
        account = Account(
            provider=provider,
            name="default",
            adapter=adapter,
            credentials=Credentials(base_url="https://provider.example"),
            rate=Rate(10, 1, 10),
            polling=adapter.defaults.polling,
        )
        state = replace(WELL, health=health, since=NOW - 60, until=NOW + 60, why="401")
        counts = dict.fromkeys(Status, 0) | {Status.PENDING: orders}
        view = AccountView(account, state, AccountBacklog(orders, overdue, 0), counts)
        return AccountSummary(view, overdue, Counter(), Counter(), [])

    return make


def overview(*lines: AccountSummary, **fields: Any) -> Overview:
    """How things stand; well, but for what is given."""
    nothing = AttentionSummary([], {})
    ran = {"polls": SweepRun(NOW, 0.1, {})}
    well = Overview(NOW, lines, {}, nothing, PendingSummary(0), None, ALIVE, {}, ran, [], [], PendingSummary(0), 0)
    return replace(well, **fields)


def titles(found: Overview) -> list[str]:
    return [banner.title for banner in banners(found)]


def told(found: Overview) -> str:
    return headline(found, banners(found))


def test_requests_that_are_booked_far_ahead_are_shown_beside_what_else_is_wrong(line: Line) -> None:
    def booked(ahead: float, **fields: Any) -> AccountSummary:
        made = line(**fields)
        state = replace(made.view.state, booked=3, booked_until=NOW + ahead)
        return replace(made, view=replace(made.view, state=state))

    assert titles(overview(booked(899))) == []
    (banner,) = banners(overview(booked(1_200)))
    assert (banner.title, banner.critical) == ("tiqets/default has requests booked far ahead", False)
    assert banner.effect.startswith("3 requests, the last in 20 min.")
    assert "[providers.tiqets.default]" in banner.remedy
    assert titles(overview(booked(1_200), booked_ahead=3_600.0)) == []
    assert len(titles(overview(booked(1_200, orders=5, overdue=5)))) == 2


def test_where_nothing_is_wrong_nothing_is_shown_but_what_waits(line: Line) -> None:
    assert titles(overview(line(orders=1))) == []
    assert told(overview(line(orders=1))) == "All healthy, 1 order waits for tickets"
    assert told(overview(line(orders=7), line(orders=5))) == "All healthy, 12 orders wait for tickets"
    assert told(overview()) == "All healthy, no order waits for tickets"


@pytest.mark.parametrize(
    ("health", "critical", "title"),
    [
        (AccountHealth.UNAUTHORIZED, True, "tiqets/default is rejecting our API key"),
        (AccountHealth.DOWN, True, "tiqets/default is failing"),
        (AccountHealth.THROTTLED, False, "tiqets/default is rate-limiting us"),
        (AccountHealth.PAUSED, False, "tiqets/default is paused"),
    ],
)
def test_an_unhealthy_account_is_one_banner_however_many_orders_wait(
    line: Line,
    health: AccountHealth,
    critical: bool,  # noqa: FBT001 - a case
    title: str,
) -> None:
    (banner,) = banners(overview(line(health=health, orders=10_000)))
    assert (banner.title, banner.critical, banner.since) == (title, critical, NOW - 60)
    assert banner.effect.startswith("10,000 orders wait")
    assert banner.account is not None


def test_the_next_probe_of_an_account_is_one_of_its_held_orders(line: Line) -> None:
    def next_attempt(probe_at: float, held: int, alive: Sequence[RunningProcess] = ALIVE) -> tuple[float | None, str]:
        down = line(health=AccountHealth.DOWN)
        view = replace(down.view, state=replace(down.view.state, probe_at=probe_at), backlog=AccountBacklog(0, 0, held))
        found = banners(overview(replace(down, view=view), processes=alive))
        (banner,) = (banner for banner in found if banner.account)
        return banner.until, banner.then

    assert next_attempt(NOW + 30, 0) == (NOW + 30, "next attempt")
    assert next_attempt(NOW - 90, 1) == (NOW - 90, "next attempt")
    assert next_attempt(NOW - 90, 0) == (None, "next attempt with its next order")
    no_beat = [process for process in ALIVE if process.kind != "beat"]
    assert next_attempt(NOW + 30, 1, no_beat) == (None, "next attempt once beat is running")
    assert next_attempt(NOW + 30, 0, no_beat) == (NOW + 30, "next attempt")


def test_banners_are_sorted_by_severity(line: Line) -> None:
    found = overview(
        line(health=AccountHealth.PAUSED),
        line("paylogic", AccountHealth.DOWN),
        processes=ALIVE[:1],
        sweeps={"polls": SweepRun(NOW - 5, 0.1, {}, "ConnectionError")},
        unconfigured={"funtrips/old": 2},
        undelivered=PendingSummary(3, NOW - 3_600),
    )
    assert titles(found) == [
        "Beat is not running",
        "paylogic/default is failing",
        "funtrips/old is not in the configuration",
        "The sweep polls failed",
        "tiqets/default is paused",
        "3 callbacks not delivered",
    ]
    assert told(found) == "3 problems need fixing"


def test_since_when_nobody_is_alive_is_shown_by_the_last_heartbeat() -> None:
    signs = {"worker": Heartbeat("willcall-7@box", NOW - 7_200)}
    workers, beat = banners(overview(processes=[], last_heartbeats=signs))
    assert (workers.title, workers.since, workers.why) == (
        "No workers are running",
        NOW - 7_200,
        "Last seen: willcall-7@box",
    )
    assert (beat.title, beat.since, beat.why) == ("Beat is not running", None, None)


def test_a_pause_by_an_operator_is_shown_as_information(line: Line) -> None:
    paused = line(health=AccountHealth.PAUSED, orders=2)
    assert told(overview(paused)) == "2 orders wait for a paused account"
    assert told(overview(paused, line("paylogic", orders=3))) == "2 orders wait for a paused account"
    assert told(overview(paused, line("paylogic", AccountHealth.PAUSED, 1))) == "3 orders wait for paused accounts"
    nothing_waits = overview(line(health=AccountHealth.PAUSED), line("paylogic", orders=3))
    assert told(nothing_waits) == "All healthy, 3 orders wait for tickets"


def test_a_pause_does_not_hide_what_is_under_it(line: Line) -> None:
    paused, refused = line(health=AccountHealth.PAUSED, orders=2), line(health=AccountHealth.UNAUTHORIZED).view.state
    state = replace(paused.view.state, underlying=replace(refused, since=NOW - 7_200), why=None)
    paused = replace(paused, view=replace(paused.view, state=state))
    (banner,) = banners(
        found := overview(paused, survey=AttentionSummary([], {("tiqets/default", Attention.UNAUTHORIZED): 2}))
    )
    assert (banner.title, banner.kind) == ("tiqets/default is paused and is rejecting our API key", "unauthorized")
    assert (banner.critical, banner.since, banner.why) == (True, NOW - 7_200, "401")
    assert (banner.until, banner.then) == (NOW + 60, "is probed again")
    assert told(found) == "1 problem needs fixing"
    assert (found.covered_by_accounts, found.stopped_accounts) == (2, {"tiqets/default"})


def test_overdue_orders_are_critical_from_a_minute_of_the_rate(line: Line) -> None:
    (few,) = banners(overview(line(overdue=1)))
    (many,) = banners(overview(line(overdue=601)))
    assert (few.title, few.critical, many.critical) == ("tiqets/default: 1 order overdue", False, True)
    assert "start more" in few.remedy
    assert "once a worker runs" in banners(overview(line(overdue=1), processes=[]))[-1].remedy


def test_orders_that_need_attention_are_shown_unless_their_account_is(line: Line) -> None:
    key_refused, unknown = ("tiqets/default", Attention.UNAUTHORIZED), ("tiqets/default", Attention.NOT_FOUND)
    survey = AttentionSummary([], {key_refused: 40, unknown: 1})
    assert told(overview(line(), survey=survey)) == "41 orders need attention"
    refused_account = overview(line(health=AccountHealth.UNAUTHORIZED), survey=survey)
    assert told(refused_account) == "1 problem needs fixing"
    assert refused_account.covered_by_accounts == 40


def test_a_backend_is_given_time_before_it_is_shown(line: Line) -> None:
    assert titles(overview(line(), undelivered=PendingSummary(1, NOW - 60))) == []


def test_documents_are_given_time_before_they_are_shown(line: Line) -> None:
    assert titles(overview(line(), documents_pending=PendingSummary(1, NOW - 1_799, "ord-1"))) == []
    (given_up,) = banners(overview(line(), documents_given_up=PendingSummary(1, NOW - 60, "ord-1")))
    assert (given_up.title, given_up.orders_url) == ("Documents of 1 order were given up", "/orders?late=documents")
    (banner,) = banners(overview(line(), documents_pending=PendingSummary(2, NOW - 1_800, "ord-1")))
    assert (banner.title, banner.critical) == ("Documents of 2 orders are missing", False)


def test_undelivered_alerts_are_shown_here(line: Line) -> None:
    pending = PendingAlerts(2, "account:tiqets/default", NOW - 3_600, late=True, answer="HTTP 503")
    assert titles(overview(line(), operator_alerts=replace(pending, late=False))) == []
    (banner,) = banners(overview(line(), operator_alerts=pending))
    assert (banner.title, banner.since) == ("2 alerts to operators not delivered", NOW - 3_600)
    assert banner.why == "the last answer: HTTP 503"


@pytest.mark.parametrize(
    ("what", "orders"), [("undelivered", "/orders?late=undelivered"), ("documents_pending", "/orders?late=documents")]
)
def test_the_banner_of_late_callbacks_links_to_their_orders(line: Line, what: str, orders: str) -> None:
    (banner,) = banners(overview(line(), **{what: PendingSummary(3, NOW - 3_600, "ord-1")}))
    assert (banner.orders_url, banner.since) == (orders, NOW - 3_600)


def test_the_banner_of_overdue_orders_links_to_them(line: Line) -> None:
    (banner,) = banners(overview(line(orders=9, overdue=3)))
    assert banner.orders_url == "/orders?late=overdue&account=tiqets/default"


@pytest.mark.parametrize(
    ("away", "remedy"),
    [
        ("beat", "Start beat;"),
        ("worker", "Start a worker;"),
        ("api", "Check whether a worker serves the queue willcall.sweeps and keeps up; if so, restart beat;"),
    ],
)
def test_sweeps_that_do_not_run_are_shown_with_what_starts_them(line: Line, away: str, remedy: str) -> None:
    last = {"polls": (10, NOW - 120), "notify": (10, NOW - 110), "inbox": (30, None)}
    missed = [OverdueSweep(name, every, ran_at) for name, (every, ran_at) in last.items()]
    processes = [process for process in ALIVE if process.kind != away]
    (banner,) = (
        banner
        for banner in banners(overview(line(), overdue_sweeps=missed, processes=processes))
        if banner.kind == "missed"
    )
    assert (banner.title, banner.since) == ("3 background sweeps are overdue", NOW - 120)
    assert "polls, notify, inbox" in banner.effect
    assert banner.remedy.startswith(remedy)
