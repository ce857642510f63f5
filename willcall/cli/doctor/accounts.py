"""The accounts: which providers do not give what they are asked for, since when, and what helps."""

from typing import TYPE_CHECKING

from willcall.cli.doctor.findings import Finding, ok, warning, wrong
from willcall.orders.advice import OVERBOOKED, TROUBLES, Trouble
from willcall.views.formatting import format_count, format_duration, format_next_probe, format_timestamp

if TYPE_CHECKING:
    from willcall.cli.doctor.patient import Patient
    from willcall.views.accounts import AccountView


def check(patient: "Patient") -> list[Finding]:
    """All accounts. No provider is asked: that is for the polls, and their tokens."""
    from willcall.views.accounts import forgotten_accounts, view_account  # noqa: PLC0415 - see cli.session

    stores, accounts, now = patient.stores, patient.config.accounts, patient.now()
    views = [view_account(stores, accounts[key], now) for key in sorted(accounts)]
    beat = bool(patient.processes.running("beat"))
    found = [judge(view, now, beat=beat) for view in views if view.state.health in TROUBLES]
    limit = patient.config.settings.sweeps.booked_ahead
    found += [_overbooked(view, now) for view in views if view.state.booked_ahead(now) > limit]
    for key, waiting in forgotten_accounts(stores, accounts).items():
        found.append(_finding(TROUBLES["forgotten"], key, "", waiting))
    return found or [ok(f"{format_count(len(accounts), 'account')}, all well" if accounts else "there is none")]


def judge(view: "AccountView", now: float, *, beat: bool) -> Finding:
    """An account that is not well, since when, and when what happens by itself; `beat`: whether one is alive."""
    from willcall.views.accounts import account_trouble  # noqa: PLC0415 - see cli.session

    state, trouble = view.state.without_pause, account_trouble(view.state)
    when = f" ({state.why})" if state.why else ""
    when += f" for {format_duration(now - state.since)}, since {format_timestamp(state.since)}" if state.since else ""
    if trouble.grave and not view.state.underlying:
        tried = format_next_probe(state.probe_at, now, held=view.held, beat=beat)
        when += f", next try {tried}" if tried else ""
    elif view.state.until:
        when += f",{' paused' if view.state.underlying else ''} until {format_timestamp(view.state.until)}"
    return _finding(trouble, view.account.key, when, view.open_orders)


def _overbooked(view: "AccountView", now: float) -> Finding:
    """An account of which more is due than its rate allows."""
    state = view.state
    when = f": {format_count(state.booked, 'request')}, the last in {format_duration(state.booked_ahead(now))}"
    return _finding(OVERBOOKED, view.account.key, when, view.open_orders)


def _finding(trouble: Trouble, key: str, when: str, waiting: int) -> Finding:
    what = f"{key} {trouble.what}{when}; {format_count(waiting, 'open order')}"
    return (wrong if trouble.grave else warning)(what, trouble.mend(key))
