"""Board, doctor, events, alert rules and runbook take their texts from one table."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from willcall.api.board.banners import banners
from willcall.api.board.overview import AccountOverview, Overview
from willcall.cli.doctor.checks.accounts import judge_account
from willcall.orders.alerts import AccountChange, account_alert_data
from willcall.orders.model import Attention, Status
from willcall.orders.troubles import ACCOUNT_TROUBLES, ORDER_TROUBLES, SYSTEM_TROUBLES, Trouble
from willcall.providers.base import Account, Credentials
from willcall.providers.registry import ADAPTERS
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.stores.listing import AccountBacklog, AttentionSummary
from willcall.stores.pending import PendingSummary
from willcall.views.accounts import AccountView

NOW = 1_795_341_600.0
KEY = "tiqets/default"
UNWELL = [health for health in AccountHealth if health is not AccountHealth.OK]
OPS = Path(__file__).parents[4] / "docs" / "ops"
RUNBOOK = (OPS / "runbook.md").read_text()
RULES = [rule for group in yaml.safe_load((OPS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
#: How Prometheus writes an account.
ACCOUNT = "{{ $labels.provider }}/{{ $labels.account }}"
#: The values of placeholders in the texts of alert rules.
PLACEHOLDERS = {
    "{table}": "[providers.{{ $labels.provider }}.{{ $labels.account }}]",
    "{resume}": f"run `willcall resume {ACCOUNT}`",
    "{sweep}": "{{ $labels.sweep }}",
    "{queue}": "{{ $labels.queue }}",
    "{kind}": "{{ $labels.kind }}",
    "{restart}": "Check that beat runs, and a worker for the queue willcall.sweeps",
}
#: Each trouble that has an alert rule, and what precedes it there.
ALERTS = {trouble.alert: (trouble, f"{ACCOUNT} ") for trouble in ACCOUNT_TROUBLES.values() if trouble.alert} | {
    trouble.alert: (trouble, "") for trouble in SYSTEM_TROUBLES.values() if trouble.alert
}


def rendered(text: str) -> str:
    """Return a text of the table as an alert rule has it."""
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return text


def runbook_row(name: str, trouble: Trouble) -> str:
    """Return the row of a trouble in the runbook's table of all troubles."""
    table = {"table": "`[providers.<provider>.<account>]`", "resume": "run `willcall resume PROVIDER/ACCOUNT`"}
    orders = {"cancel": "`willcall cancel ID`", "redeliver": "`willcall redeliver ID`"}
    names = {"restart": "Start beat and a worker for `willcall.sweeps`"}
    what = trouble.what.format(sweep="NAME", queue="NAME", kind="process")
    cells = (f"[{name}](#{name.lower()})", what, trouble.customer, trouble.instructions(**table, **orders, **names))
    return f"| {' | '.join(cells)} |"


def view(health: AccountHealth) -> AccountView:
    """An account for which two orders wait."""
    adapter = ADAPTERS["tiqets"]
    credentials = Credentials(base_url="https://provider.example")
    account = Account("tiqets", "default", adapter, credentials, adapter.defaults.rate, adapter.defaults.polling)
    state = AccountState(health, NOW - 60, NOW + 60, NOW + 30, 0, 10, 10, "401")
    return AccountView(account, state, AccountBacklog(2, 0, 0), dict.fromkeys(Status, 0) | {Status.PENDING: 2})


def test_every_health_but_ok_is_in_the_table() -> None:
    assert ACCOUNT_TROUBLES.keys() >= {*UNWELL, "unconfigured"}


def test_every_attention_is_in_the_table() -> None:
    assert ORDER_TROUBLES.keys() == set(Attention)


def overview_of(line: AccountOverview) -> Overview:
    """An overview in which only this account has a trouble."""
    return Overview(
        NOW, [line], {}, AttentionSummary([], {}), PendingSummary(0), None, [], {}, {}, [], [], PendingSummary(0), 0
    )


@pytest.mark.parametrize("health", UNWELL)
def test_board_doctor_and_event_say_the_same(health: AccountHealth) -> None:
    line = AccountOverview(view(health), 0, Counter(), Counter(), [])
    overview = overview_of(line)
    (banner,) = (banner for banner in banners(overview) if banner.account)
    finding = judge_account(line.view, NOW, beat=True)
    event = account_alert_data(KEY, AccountChange(health, "ok", int(NOW), "401", 2))
    assert event["what_to_do"] == finding.fix
    button = "Try now" if health in {AccountHealth.UNAUTHORIZED, AccountHealth.DOWN} else "Resume"
    assert banner.remedy == str(finding.fix).replace(f"run `willcall resume {KEY}`", f"press {button}")
    assert re.match(rf"{banner.title} \(HTTP 401\), since [^(]+ \(1 min\)", finding.message)
    assert banner.critical == (finding.level == "error")


@pytest.mark.parametrize("health", [AccountHealth.UNAUTHORIZED, AccountHealth.DOWN])
def test_board_and_doctor_describe_the_problem_under_a_pause_alike(health: AccountHealth) -> None:
    paused = view(AccountHealth.PAUSED)
    paused = replace(paused, state=replace(paused.state, underlying=replace(view(health).state, since=NOW - 7_200)))
    line = AccountOverview(paused, 0, Counter(), Counter(), [])
    overview = overview_of(line)
    (banner,) = (banner for banner in banners(overview) if banner.account)
    finding = judge_account(line.view, NOW, beat=True)
    assert banner.remedy == str(finding.fix).replace(f"run `willcall resume {KEY}`", "press Resume")
    assert banner.remedy.endswith("To let its orders continue, press Resume.")
    assert re.match(rf"{banner.title} \(HTTP 401\), since [^(]+ \(2 h\)", finding.message)
    assert banner.critical
    assert finding.level == "error"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_rule_takes_its_texts_from_the_table(rule: dict[str, Any]) -> None:
    trouble, subject = ALERTS[rule["alert"]]
    annotations = rule["annotations"]
    assert annotations["summary"].startswith(subject + rendered(trouble.what))
    assert annotations["description"].startswith(rendered(trouble.effect))
    assert annotations["impact"] == trouble.customer
    assert annotations["action"] == rendered(f"{trouble.remedy} {trouble.then}".strip())
    assert (rule["labels"]["severity"] == "page") == (trouble.critical or rule["alert"] == "WillcallCallbacksLate")


def test_every_trouble_with_an_alert_has_a_rule_and_a_place_in_the_runbook() -> None:
    assert ALERTS.keys() == {rule["alert"] for rule in RULES}
    headings = re.findall(r"^### (Willcall\w+)$", RUNBOOK, re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_names_each_trouble_as_the_table_does(alert: str) -> None:
    trouble, _ = ALERTS[alert]
    assert runbook_row(alert, trouble) in RUNBOOK


@pytest.mark.parametrize("attention", Attention)
def test_the_runbook_explains_each_attention_as_the_table_does(attention: Attention) -> None:
    assert runbook_row(attention.value, ORDER_TROUBLES[attention]) in RUNBOOK
