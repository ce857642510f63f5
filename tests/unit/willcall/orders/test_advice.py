"""What operators are told of an account is the same on the order board, by the doctor, in events and by Prometheus."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from willcall.api.board.banners import banners
from willcall.api.board.overview import AccountSummary, Overview
from willcall.cli.doctor.checks.accounts import judge_account
from willcall.orders.advice import OVERBOOKED, TROUBLES
from willcall.orders.alerts import AccountChange, account_alert_data
from willcall.orders.model import Status
from willcall.providers.base import Account, Credentials
from willcall.providers.registry import ADAPTERS
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.deliveries import PendingSummary
from willcall.stores.listing import AccountBacklog, AttentionSummary
from willcall.views.accounts import AccountView

NOW = 1_795_341_600.0
KEY = "tiqets/default"
UNWELL = [health for health in AccountHealth if health is not AccountHealth.OK]
RULES = Path(__file__).parents[4] / "docs" / "ops" / "alerts.yml"


def view(health: AccountHealth) -> AccountView:
    """An account for which two orders wait."""
    adapter = ADAPTERS["tiqets"]
    credentials = Credentials(base_url="https://provider.example")
    account = Account("tiqets", "default", adapter, credentials, adapter.defaults.rate, adapter.defaults.polling)
    state = AccountState(health, NOW - 60, NOW + 60, NOW + 30, 0, 10, 10, "401")
    return AccountView(account, state, AccountBacklog(2, 0, 0), dict.fromkeys(Status, 0) | {Status.PENDING: 2})


def test_every_health_but_ok_has_its_advice() -> None:
    assert TROUBLES.keys() == {*UNWELL, "forgotten"}


def overview_of(line: AccountSummary) -> Overview:
    """Of a system in which nothing is told but of this account."""
    return Overview(
        NOW, [line], {}, AttentionSummary([], {}), PendingSummary(0), None, [], {}, {}, [], [], PendingSummary(0), 0
    )


@pytest.mark.parametrize("health", UNWELL)
def test_board_doctor_and_event_say_the_same(health: AccountHealth) -> None:
    line = AccountSummary(view(health), 0, Counter(), Counter(), [])
    overview = overview_of(line)
    (alarm,) = (alarm for alarm in banners(overview) if alarm.account)
    finding = judge_account(line.view, NOW, beat=True)
    event = account_alert_data(KEY, AccountChange(health, "ok", int(NOW), "401", 2))
    assert event["what_to_do"] == finding.fix
    assert alarm.remedy == str(finding.fix).replace(f"`willcall resume {KEY}`", "resume it")
    assert finding.message.startswith(f"{alarm.title} (401) for 1 min, since ")
    assert alarm.critical == (finding.level == "error")


@pytest.mark.parametrize("health", [AccountHealth.UNAUTHORIZED, AccountHealth.DOWN])
def test_board_and_doctor_say_the_same_of_what_is_beneath_a_pause(health: AccountHealth) -> None:
    paused = view(AccountHealth.PAUSED)
    paused = replace(paused, state=replace(paused.state, underlying=replace(view(health).state, since=NOW - 7_200)))
    line = AccountSummary(paused, 0, Counter(), Counter(), [])
    overview = overview_of(line)
    (alarm,) = (alarm for alarm in banners(overview) if alarm.account)
    finding = judge_account(line.view, NOW, beat=True)
    assert alarm.remedy == str(finding.fix).replace(f"`willcall resume {KEY}`", "resume it")
    assert alarm.remedy.endswith("To let its orders go on, resume it.")
    assert finding.message.startswith(f"{alarm.title} (401) for 2 h, since ")
    assert alarm.critical
    assert finding.level == "error"


@pytest.mark.parametrize("health", UNWELL)
def test_an_alert_of_prometheus_says_it_in_the_same_words(health: AccountHealth) -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    (rule,) = (rule for rule in rules if rule["alert"] == f"WillcallAccount{health.capitalize()}")
    summary = f"{{{{ $labels.provider }}}}/{{{{ $labels.account }}}} {TROUBLES[health].what}"
    assert rule["annotations"]["summary"] == summary
    assert (rule["labels"]["severity"] == "page") == TROUBLES[health].grave


def test_the_alert_of_requests_booked_far_ahead_says_it_in_the_same_words() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    (rule,) = (rule for rule in rules if rule["alert"] == "WillcallAccountOverbooked")
    assert rule["annotations"]["summary"].endswith(f" {OVERBOOKED.what}")
    assert (rule["labels"]["severity"] == "page") == OVERBOOKED.grave
