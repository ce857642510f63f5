"""Accounts and orders: which accounts get no tickets, and which orders are overdue or need attention."""

from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Finding, error, ok, warning
from willcall.orders.model import Attention, count_open
from willcall.orders.troubles import ACCOUNT_TROUBLES, Trouble
from willcall.stores.rejected_webhooks import RejectedWebhooks
from willcall.views.accounts import (
    AccountView,
    account_trouble,
    refused_accounts,
    unconfigured_accounts,
    view_account,
)
from willcall.views.formatting import (
    format_count,
    format_duration,
    format_next_probe,
    format_relative,
    format_timestamp,
)
from willcall.views.upcoming import orders_at_risk

#: Seconds by which an account's oldest order may be overdue, before a warning and before an error.
#: Orders that wait for a token are not overdue: they are due when they get it.
LATE, TOO_LATE = 60.0, 300.0


def check_accounts(context: CheckContext) -> list[Finding]:
    """Check all accounts. No provider is polled, as that would take tokens."""
    stores, accounts, now = context.stores, context.config.accounts, context.now()
    views = [view_account(stores, accounts[key], now) for key in sorted(accounts)]
    beat = bool(context.processes.running("beat"))
    found = [judge_account(view, now, beat=beat) for view in views if view.state.health in ACCOUNT_TROUBLES]
    limit = context.config.settings.sweeps.booked_ahead
    overbooked = [view for view in views if view.state.booked_ahead(now) > limit]
    found += [_overbooked(view, now) for view in {view.account.bucket: view for view in overbooked}.values()]
    for key, waiting in unconfigured_accounts(stores, accounts).items():
        found.append(_account_finding(ACCOUNT_TROUBLES["unconfigured"], key, "", waiting))
    for key, rejected in stores.rejected_webhooks.read(sorted(accounts)).items():
        found.append(_webhooks_rejected(key, rejected, now))
    return found or [ok(f"{format_count(len(accounts), 'account')}, all healthy" if accounts else "none")]


def judge_account(view: AccountView, now: float, *, beat: bool) -> Finding:
    """Return what is wrong with an account, since when, and the next automatic step. `beat`: whether it runs."""
    state, trouble = view.state.without_pause, account_trouble(view.state)
    cause = f"HTTP {state.why}" if state.why and state.why.isdigit() else state.why
    when = f" ({cause})" if cause else ""
    when += f", since {format_timestamp(state.since)} ({format_duration(now - state.since)})" if state.since else ""
    if trouble.critical and not view.state.underlying:
        probe = format_next_probe(state.probe_at, now, held=view.held, beat=beat)
        when += f", next attempt {probe}" if probe else ""
    elif view.state.until:
        when += f",{' paused' if view.state.underlying else ''} until {format_timestamp(view.state.until)}"
    return _account_finding(trouble, view.account.key, when, view.open_orders)


def _webhooks_rejected(key: str, rejected: RejectedWebhooks, now: float) -> Finding:
    trouble, count = ACCOUNT_TROUBLES["webhooks_rejected"], format_count(rejected.count, "webhook")
    since = f"since {format_timestamp(rejected.since)} ({format_duration(now - rejected.since)})"
    message = f"{key} {trouble.what} ({rejected.reason.text}): {count}, {since}"
    return warning(message, trouble.for_account(key))


def _overbooked(view: AccountView, now: float) -> Finding:
    state = view.state
    when = f": {format_count(state.booked, 'request')}, the last in {format_duration(state.booked_ahead(now))}"
    if view.account.rate.shared:
        when += f", with all accounts of the shared rate {view.account.rate.shared}"
    return _account_finding(ACCOUNT_TROUBLES["overbooked"], view.account.key, when, view.open_orders)


def _account_finding(trouble: Trouble, key: str, when: str, waiting: int) -> Finding:
    message = f"{key} {trouble.what}{when}; {format_count(waiting, 'open order')}"
    return (error if trouble.critical else warning)(message, trouble.for_account(key))


def check_orders(context: CheckContext) -> list[Finding]:
    """Check that orders are polled in time, and count those that need attention."""
    stores, now = context.stores, context.now()
    grace = context.config.settings.sweeps.grace
    keys = sorted({*context.config.accounts, *stores.orders.accounts()})
    summaries = dict(zip(keys, stores.listing.summaries(keys, now - grace), strict=True))
    found = []
    for key, summary in summaries.items():
        late = now - summary.first_due if summary.first_due else 0.0
        if late < max(LATE, grace):
            continue
        account, fix = key, ACCOUNT_TROUBLES["overdue"].remedy
        if key not in context.config.accounts:
            trouble = ACCOUNT_TROUBLES["unconfigured"]
            account, fix = f"{key}, which {trouble.what}", trouble.for_account(key)
        overdue = format_count(summary.backlog.due, "overdue order")
        message = f"{overdue} of {account}; the oldest, {summary.first}, by {format_duration(late)}"
        follows = ("workers",) if key in context.config.accounts else ()
        found.append((error if late >= TOO_LATE else warning)(message, fix, follows))
    found += _check_attention(context) + _check_at_risk(context, now)
    waiting = sum(count_open(summary.counts) for summary in summaries.values())
    return found or [ok(f"{format_count(waiting, 'open order')}, none overdue")]


def _check_attention(context: CheckContext) -> list[Finding]:
    """Count the orders that need attention, but not those whose whole account is rejected."""
    attention = context.stores.listing.attention_counts()
    rejected = sum(
        attention.get((account, Attention.UNAUTHORIZED), 0)
        for account in refused_accounts(context.stores, context.config.accounts)
    )
    count = sum(attention.values()) - rejected
    if not count:
        return []
    message = f"{format_count(count, 'order')} {'needs' if count == 1 else 'need'} attention"
    if rejected:
        message += f", not counting {rejected:,} of rejected accounts"
    return [warning(message, ACCOUNT_TROUBLES["attention"].remedy)]


def _check_at_risk(context: CheckContext, now: float) -> list[Finding]:
    at_risk = orders_at_risk(context.stores, now)
    if at_risk.first_event_at is None:
        return []
    trouble = ACCOUNT_TROUBLES["at_risk"]
    verb, first = "is" if at_risk.count == 1 else "are", format_relative(at_risk.first_event_at, now, 1)
    message = f"{format_count(at_risk.count, 'order')} {verb} at risk; the first event is {first}"
    fix = f"{trouble.remedy} `willcall orders --event-before` lists them."
    return [error(message, fix, ("workers", "accounts"))]
