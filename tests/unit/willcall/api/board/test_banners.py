from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from willcall.api.board.banners import banners, headline
from willcall.api.board.overview import AccountOverview, Overview
from willcall.orders.model import Attention, Status
from willcall.orders.policy import Rate
from willcall.providers.base import Account, Credentials
from willcall.providers.registry import ADAPTERS
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.listing import AccountBacklog, AttentionSummary
from willcall.stores.pending import PendingSummary
from willcall.stores.processes import Heartbeat, LostProcess, RunningProcess
from willcall.stores.rejected_webhooks import RejectedWebhooks, RejectionReason
from willcall.stores.sweeps import SweepRun
from willcall.views.accounts import AccountView
from willcall.views.backends import RefusingBackend
from willcall.views.overdue import PendingAlerts
from willcall.views.sweeps import OverdueSweep
from willcall.views.upcoming import OrdersAtRisk

NOW = 1_795_341_600.0
WELL = AccountState(AccountHealth.OK, None, None, None, 0, 10, 10)
ALIVE = [RunningProcess(kind, kind, NOW - 600, NOW - 2, {}) for kind in ("worker", "beat", "api")]

MISSED = [
    OverdueSweep("polls", 10, NOW - 120),
    OverdueSweep("notify", 10, NOW - 110),
    OverdueSweep("inbox", 30, None),
]

MakeAccount = Callable[..., AccountOverview]


def test_the_rate_used_is_that_of_all_accounts_that_share_it(make_account: MakeAccount) -> None:
    shared = replace(make_account(), recent=Counter({"outcome:issued": 90}), sharing=Counter({"outcome:issued": 900}))
    assert shared.rate_used == pytest.approx(900 / (10 * 15 * 60))


@pytest.fixture
def make_account() -> MakeAccount:
    """Makes the summary of an account with the given counts."""

    def make(
        provider: str = "tiqets", health: AccountHealth = AccountHealth.OK, orders: int = 0, overdue: int = 0
    ) -> AccountOverview:
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
        return AccountOverview(view, overdue, Counter(), Counter(), [])

    return make


def overview(*lines: AccountOverview, **fields: Any) -> Overview:
    """How things stand; well, but for what is given."""
    nothing = AttentionSummary([], {})
    ran = {"polls": SweepRun(NOW, 0.1, {})}
    well = Overview(NOW, lines, {}, nothing, PendingSummary(0), None, ALIVE, {}, ran, [], [], PendingSummary(0), 0)
    return replace(well, **fields)


def titles(found: Overview) -> list[str]:
    return [banner.title for banner in banners(found)]


def headline_text(found: Overview) -> str:
    return headline(found, banners(found))


def test_requests_booked_far_ahead_are_an_additional_banner(make_account: MakeAccount) -> None:
    def booked(ahead: float, **fields: Any) -> AccountOverview:
        made = make_account(**fields)
        state = replace(made.view.state, booked=3, booked_until=NOW + ahead)
        return replace(made, view=replace(made.view, state=state))

    assert titles(overview(booked(899))) == []
    (banner,) = banners(overview(booked(1_200)))
    assert (banner.title, banner.critical) == ("tiqets/default has requests booked far ahead", False)
    assert banner.effect.startswith("3 requests, the last in 20 min.")
    assert "[providers.tiqets.default]" in banner.remedy
    assert titles(overview(booked(1_200), booked_ahead=3_600.0)) == []
    assert len(titles(overview(booked(1_200, orders=5, overdue=5)))) == 2


def test_a_healthy_system_shows_only_what_waits(make_account: MakeAccount) -> None:
    assert titles(overview(make_account(orders=1))) == []
    assert headline_text(overview(make_account(orders=1))) == "All healthy, 1 order waits for tickets"
    assert (
        headline_text(overview(make_account(orders=7), make_account(orders=5)))
        == "All healthy, 12 orders wait for tickets"
    )
    assert headline_text(overview()) == "All healthy, no order waits for tickets"


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
    make_account: MakeAccount,
    health: AccountHealth,
    critical: bool,  # noqa: FBT001 - a case
    title: str,
) -> None:
    (banner,) = banners(overview(make_account(health=health, orders=10_000)))
    assert (banner.title, banner.critical, banner.since) == (title, critical, NOW - 60)
    assert banner.effect.startswith("10,000 orders wait")
    assert banner.account is not None


def test_the_next_probe_of_an_account_is_one_of_its_held_orders(make_account: MakeAccount) -> None:
    def next_attempt(probe_at: float, held: int, alive: Sequence[RunningProcess] = ALIVE) -> tuple[float | None, str]:
        down = make_account(health=AccountHealth.DOWN)
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


def test_banners_are_sorted_by_severity(make_account: MakeAccount) -> None:
    found = overview(
        make_account(health=AccountHealth.PAUSED),
        make_account("paylogic", AccountHealth.DOWN),
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
    assert headline_text(found) == "3 problems need fixing: Beat is not running"


def test_the_last_heartbeat_shows_since_when_no_process_runs() -> None:
    signs = {"worker": Heartbeat("willcall-7@box", NOW - 7_200)}
    workers, beat = banners(overview(processes=[], last_heartbeats=signs))
    assert (workers.title, workers.since, workers.why) == (
        "No workers are running",
        NOW - 7_200,
        "Last seen: willcall-7@box",
    )
    assert (beat.title, beat.since, beat.why) == ("Beat is not running", None, None)


def test_a_pause_by_an_operator_is_shown_as_information(make_account: MakeAccount) -> None:
    paused = make_account(health=AccountHealth.PAUSED, orders=2)
    assert headline_text(overview(paused)) == "2 orders wait for a paused account"
    assert headline_text(overview(paused, make_account("paylogic", orders=3))) == "2 orders wait for a paused account"
    assert (
        headline_text(overview(paused, make_account("paylogic", AccountHealth.PAUSED, 1)))
        == "3 orders wait for paused accounts"
    )
    nothing_waits = overview(make_account(health=AccountHealth.PAUSED), make_account("paylogic", orders=3))
    assert headline_text(nothing_waits) == "All healthy, 3 orders wait for tickets"


def test_a_pause_does_not_hide_the_underlying_problem(make_account: MakeAccount) -> None:
    paused, refused = (
        make_account(health=AccountHealth.PAUSED, orders=2),
        make_account(health=AccountHealth.UNAUTHORIZED).view.state,
    )
    state = replace(paused.view.state, underlying=replace(refused, since=NOW - 7_200), why=None)
    paused = replace(paused, view=replace(paused.view, state=state))
    (banner,) = banners(
        found := overview(paused, survey=AttentionSummary([], {("tiqets/default", Attention.UNAUTHORIZED): 2}))
    )
    assert (banner.title, banner.kind) == ("tiqets/default is paused and is rejecting our API key", "unauthorized")
    assert (banner.critical, banner.since, banner.why) == (True, NOW - 7_200, "401")
    assert (banner.until, banner.then) == (NOW + 60, "is probed again")
    assert headline_text(found) == (
        "1 problem needs fixing: tiqets/default is paused and is rejecting our API key, 2 orders wait"
    )
    assert (found.covered_by_accounts, found.stopped_accounts) == (2, {"tiqets/default"})


def test_overdue_orders_are_critical_from_a_minute_of_the_rate(make_account: MakeAccount) -> None:
    (few,) = banners(overview(make_account(overdue=1)))
    (many,) = banners(overview(make_account(overdue=601)))
    assert (few.title, few.critical, many.critical) == ("tiqets/default: 1 order overdue", False, True)
    assert "start more" in few.remedy


def test_orders_that_need_attention_are_reported_unless_their_account_is(make_account: MakeAccount) -> None:
    key_refused, unknown = ("tiqets/default", Attention.UNAUTHORIZED), ("tiqets/default", Attention.NOT_FOUND)
    survey = AttentionSummary([], {key_refused: 40, unknown: 1})
    assert headline_text(overview(make_account(), survey=survey)) == "41 orders need attention"
    refused_account = overview(make_account(health=AccountHealth.UNAUTHORIZED), survey=survey)
    assert headline_text(refused_account).startswith("1 problem needs fixing: tiqets/default is rejecting our API key")
    assert refused_account.covered_by_accounts == 40


def test_a_callback_is_reported_only_after_some_time(make_account: MakeAccount) -> None:
    assert titles(overview(make_account(), undelivered=PendingSummary(1, NOW - 60))) == []


def test_missing_documents_are_reported_only_after_some_time(make_account: MakeAccount) -> None:
    assert titles(overview(make_account(), documents_pending=PendingSummary(1, NOW - 1_799, "ord-1"))) == []
    (given_up,) = banners(overview(make_account(), documents_given_up=PendingSummary(1, NOW - 60, "ord-1")))
    assert (given_up.title, given_up.orders_url) == ("Documents of 1 order were given up", "/orders?late=documents")
    (banner,) = banners(overview(make_account(), documents_pending=PendingSummary(2, NOW - 1_800, "ord-1")))
    assert (banner.title, banner.critical) == ("Documents of 2 orders are missing", False)


def test_undelivered_alerts_are_reported_on_the_board(make_account: MakeAccount) -> None:
    pending = PendingAlerts(2, "account:tiqets/default", NOW - 3_600, late=True, answer="HTTP 503")
    assert titles(overview(make_account(), operator_alerts=replace(pending, late=False))) == []
    (banner,) = banners(overview(make_account(), operator_alerts=pending))
    assert (banner.title, banner.since) == ("2 alerts to operators not delivered", NOW - 3_600)
    assert banner.why == "the last answer: HTTP 503"


@pytest.mark.parametrize(
    ("what", "orders"), [("undelivered", "/orders?late=undelivered"), ("documents_pending", "/orders?late=documents")]
)
def test_the_banner_of_late_callbacks_links_to_their_orders(make_account: MakeAccount, what: str, orders: str) -> None:
    (banner,) = banners(overview(make_account(), **{what: PendingSummary(3, NOW - 3_600, "ord-1")}))
    assert (banner.orders_url, banner.since) == (orders, NOW - 3_600)


def test_the_banner_of_overdue_orders_links_to_them(make_account: MakeAccount) -> None:
    (banner,) = banners(overview(make_account(orders=9, overdue=3)))
    assert banner.orders_url == "/orders?late=overdue&account=tiqets/default"


def test_overdue_sweeps_are_reported_with_their_fix(make_account: MakeAccount) -> None:
    (banner,) = banners(overview(make_account(), overdue_sweeps=MISSED))
    assert (banner.title, banner.since) == ("3 background sweeps are overdue", NOW - 120)
    assert "polls, notify, inbox" in banner.effect
    assert banner.remedy.startswith(
        "Check whether a worker serves the queue willcall.sweeps and keeps up; if so, restart"
    )


@pytest.mark.parametrize(("away", "title"), [("beat", "Beat is not running"), ("worker", "No workers are running")])
def test_what_follows_from_a_cause_is_shown_with_it(make_account: MakeAccount, away: str, title: str) -> None:
    processes = [process for process in ALIVE if process.kind != away]
    (banner,) = banners(overview(make_account(), overdue_sweeps=MISSED, processes=processes))
    assert banner.title == title
    assert [each.title for each in banner.results] == ["3 background sweeps are overdue"]


def test_without_workers_there_is_one_banner(make_account: MakeAccount) -> None:
    found = overview(
        make_account(orders=9, overdue=9),
        processes=ALIVE[1:],
        overdue_sweeps=MISSED,
        undelivered=PendingSummary(3, NOW - 3_600),
        operator_alerts=PendingAlerts(2, "account:tiqets/default", NOW - 3_600, late=True, answer="HTTP 503"),
        documents_pending=PendingSummary(2, NOW - 1_800, "ord-1"),
        lost=[LostProcess("worker", "willcall-7@box", NOW - 90)],
        at_risk=OrdersAtRisk({"tiqets/default": [NOW + 7_200] * 2}),
    )
    assert titles(found) == ["No workers are running"]
    assert headline_text(found) == "1 problem needs fixing: No workers are running, 9 orders wait"
    (banner,) = banners(found)
    assert [each.title for each in banner.results] == [
        "3 background sweeps are overdue",
        "tiqets/default: 9 orders overdue",
        "2 orders are at risk",
        "3 callbacks not delivered",
        "2 alerts to operators not delivered",
        "Documents of 2 orders are missing",
    ]


def test_the_headline_says_what_waits_and_what_comes_first(make_account: MakeAccount) -> None:
    refused = replace(make_account(health=AccountHealth.UNAUTHORIZED, orders=12), first_deadline=NOW + 7_200)
    news = "1 problem needs fixing: tiqets/default is rejecting our API key, 12 orders wait, "
    assert headline_text(overview(refused)) == news + "the first deadline is in 2 h"
    at_risk = OrdersAtRisk({"tiqets/default": [NOW + 3_600] * 3})
    assert headline_text(overview(refused, at_risk=at_risk)) == news + "3 at risk: the first event is in 1 h"


def test_a_banner_names_the_first_event_of_its_own_orders(make_account: MakeAccount) -> None:
    at_risk = OrdersAtRisk({"paylogic/default": [NOW + 60], "tiqets/default": [NOW + 3_600] * 3})
    refused = make_account(health=AccountHealth.UNAUTHORIZED, orders=12)
    account, others = banners(overview(refused, make_account("paylogic"), at_risk=at_risk))
    assert account.effect.startswith("12 orders wait, 3 at risk: the first event is in 1 h.")
    assert (others.title, others.news) == ("1 order is at risk", "the first event is in 1 min")


def test_orders_at_risk_are_a_problem_of_their_own_while_their_account_is_healthy(make_account: MakeAccount) -> None:
    found = overview(make_account(orders=2), at_risk=OrdersAtRisk({"tiqets/default": [NOW + 3_600]}))
    (banner,) = banners(found)
    assert (banner.title, banner.critical, banner.orders_url) == ("1 order is at risk", True, "/orders?event=soon")
    assert headline_text(found) == "1 problem needs fixing: 1 order is at risk, the first event is in 1 h"


def test_a_backend_that_refuses_callbacks_is_named_at_once(make_account: MakeAccount) -> None:
    backend = RefusingBackend("shop.example", 401, 3, NOW - 20, "ord-1")
    late = PendingSummary(3, NOW - 3_600)
    found = overview(make_account(), refusing_backends=[backend], undelivered=late)
    (banner,) = banners(found)
    assert (banner.title, banner.why, banner.critical) == ("Callbacks are refused by shop.example", "401", True)
    assert headline_text(found).endswith("Callbacks are refused by shop.example, HTTP 401, 3 orders")


def test_rejected_webhooks_are_a_warning_with_their_reason(make_account: MakeAccount) -> None:
    rejected = RejectedWebhooks(3, NOW - 600, NOW - 60, RejectionReason.SIGNATURE)
    (banner,) = banners(overview(make_account(), rejected_webhooks={"tixstock/default": rejected}))
    assert (banner.title, banner.critical) == ("tixstock/default sends webhooks that are rejected", False)
    assert (banner.since, banner.why) == (NOW - 600, "wrong signature")
    assert banner.effect.startswith("3 webhooks since the last accepted one.")
    assert "[providers.tixstock.default]" in banner.remedy


def test_a_full_document_store_explains_missing_documents(make_account: MakeAccount) -> None:
    found = overview(
        make_account(), documents_full_since=NOW - 30, documents_pending=PendingSummary(2, NOW - 1_800, "ord-1")
    )
    (banner,) = banners(found)
    assert (banner.title, banner.critical, banner.since) == ("The document store is full", True, NOW - 30)
    assert [each.title for each in banner.results] == ["Documents of 2 orders are missing"]


def test_a_process_that_disappeared_is_named(make_account: MakeAccount) -> None:
    (banner,) = banners(overview(make_account(), lost=[LostProcess("worker", "willcall-7@box", NOW - 90)]))
    assert (banner.title, banner.critical) == ("A worker has disappeared: willcall-7@box", False)
    assert banner.since == NOW - 90


def test_every_banner_leads_to_its_section_of_the_runbook(make_account: MakeAccount) -> None:
    for health in AccountHealth:
        assert all(banner.alert for banner in banners(overview(make_account(health=health))))
