"""The accounts: which providers do not give what they are asked for, since when, and what helps."""

from typing import TYPE_CHECKING

from cli.doctor.findings import Finding, ok, warning, wrong
from willcall.usecases.wording import absolute, counted, relative, span

if TYPE_CHECKING:
    from cli.doctor.patient import Patient
    from willcall.stores.listing import Backlog
    from willcall.usecases.accounts import AccountView


def check(patient: "Patient") -> list[Finding]:
    """All accounts. No provider is asked: that is for the polls, and their tokens."""
    from willcall.usecases.accounts import view_account  # noqa: PLC0415 - see cli.session

    stores, accounts, now = patient.stores, patient.config.accounts, patient.now()
    found = []
    for key in sorted(accounts):
        found += _illness(view_account(stores, accounts[key], now), now)
    for key in sorted({*stores.orders.accounts()} - accounts.keys()):
        found += _orphans(key, stores.listing.backlog(key, now))
    return found or [ok(f"{counted(len(accounts), 'account')}, all well" if accounts else "there is none")]


def _orphans(key: str, backlog: "Backlog") -> list[Finding]:
    """The orders of an account that the configuration does not have."""
    if not backlog.orders:
        return []
    what = f"{key} is not in the configuration, and has {counted(backlog.orders, 'open order')}"
    return [wrong(what, "Put the account back, or cancel its orders: nobody asks about them.")]


def _illness(view: "AccountView", now: float) -> list[Finding]:
    key, state = view.account.key, view.state
    probe = f" (one order tries {relative(max(state.probe_at, now), now)})" if state.probe_at else ""
    what = _what(view, now)
    match state.health:
        case "unauthorized":
            table = f"[providers.{key.replace('/', '.')}]"
            how = f"Put credentials that work into {table} and restart, or have the provider mend them{probe}."
            return [wrong(what, how)]
        case "down":
            return [wrong(what, f"Ask the provider; when it answers again all go on by themselves{probe}.")]
        case "throttled":
            return [warning(what, "If it goes on, lower its `rate`: others may use the account as well.")]
        case "paused":
            return [warning(what, f"`willcall resume {key}` ends it.")]
    return []


def _what(view: "AccountView", now: float) -> str:
    state = view.state
    why = f" ({state.why})" if state.why else ""
    since = f" for {span(now - state.since)}, since {absolute(state.since)}" if state.since else ""
    until = f", until {absolute(state.until)}" if state.until else ""
    return f"{view.account.key} is {state.health}{why}{since}{until}; {counted(view.backlog.orders, 'open order')}"
