"""Accounts as a table and as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from tasks.queues import poll_queue
from willcall.cli.output.styles import HEALTH_STYLES, NAME_WIDTH, WIDE, describe_health, plain_table
from willcall.orders.policy import Rate
from willcall.orders.serialization import rfc3339
from willcall.orders.troubles import ACCOUNT_TROUBLES
from willcall.stores.listing import AccountSummary
from willcall.views.accounts import AccountView, account_schema
from workers.transport.delayed import DelayedStats

#: Seconds by which a queue may be behind before the table shows it.
SHOWN_LAG = 5.0


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account and its provider's scheduled messages, `None` if the broker cannot list them."""

    view: AccountView
    delayed: DelayedStats | None


def describe_rate(rate: Rate) -> str:
    """Return `10 per 1 s, burst 10`, and the name of a shared rate."""
    shared = f", shared: {rate.shared}" if rate.shared else ""
    return f"{rate.limit:g} per {rate.period:g} s, burst {rate.burst}{shared}"


def row_to_json(row: AccountRow) -> dict[str, Any]:
    """Return an account as JSON, with its scheduled messages."""
    waiting = row.delayed and {
        "queue": poll_queue(row.view.account.key),
        "messages": row.delayed.count,
        "next_due": rfc3339(row.delayed.next_due),
        "lag": row.delayed.lag,
    }
    return {**account_schema(row.view).to_json(), "waiting": waiting}


def accounts_table(rows: Iterable[AccountRow], now: float, width: int, *, beat: bool) -> Table:
    """Return one row per account, and one for the messages that several accounts of a provider share."""
    table = plain_table()
    table.add_column("account", no_wrap=True, max_width=None if width >= WIDE else NAME_WIDTH)
    table.add_column("health")
    table.add_column("tokens", no_wrap=True)
    table.add_column("open orders")
    table.add_column("all orders")
    for provider, group in groupby(rows, lambda row: row.view.account.provider):
        accounts = list(group)
        delayed = _describe_delayed(accounts[0].delayed)
        for row in accounts:
            table.add_row(*_cells(row.view, now, Text() if len(accounts) > 1 else delayed, beat=beat))
        if len(accounts) > 1 and delayed:
            table.add_row(Text(f"{provider}, all"), "", "", delayed)
    return table


def add_unconfigured(table: Table, account_key: str, summary: AccountSummary) -> None:
    """Add a row for an account that is missing from the configuration."""
    what = Text(ACCOUNT_TROUBLES["unconfigured"].what, "red")
    table.add_row(Text(account_key), what, "", _listed(asdict(summary.backlog)), _listed(summary.counts))


def unconfigured_to_json(account_key: str, summary: AccountSummary) -> dict[str, Any]:
    """Return an account that is missing from the configuration as JSON."""
    return {
        "account": account_key,
        "health": "unconfigured",
        "why": ACCOUNT_TROUBLES["unconfigured"].what,
        "backlog": asdict(summary.backlog),
        "orders": {status.value: count for status, count in summary.counts.items()},
    }


def _cells(view: AccountView, now: float, delayed: Text, *, beat: bool) -> list[Text]:
    state, rate = view.state, view.account.rate
    tokens = Text(f"{state.tokens} of {state.burst} now\n")
    tokens.append(f"{rate.limit:g} per {rate.period:g} s", "dim")
    health = Text(describe_health(state, now, held=view.held, beat=beat), HEALTH_STYLES[state.without_pause.health])
    if state.throttles:
        health.append(f"\n429s: {state.throttles:,}", "dim")
    if rate.shared:
        health.append(f"\nshared rate: {rate.shared}", "dim")
    backlog = Text("\n").join(filter(None, [Text(_listed(asdict(view.backlog))), delayed]))
    return [Text(view.account.key), health, tokens, backlog, Text(_listed(view.counts))]


def _listed(counts: Mapping[Any, int]) -> str:
    return "\n".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def _describe_delayed(delayed: DelayedStats | None) -> Text:
    """Return the number of scheduled messages, and in red how far the queue is behind."""
    parts = []
    if delayed and delayed.count:
        parts.append(Text(f"{delayed.count:,} queued", "dim"))
    if delayed and delayed.lag > SHOWN_LAG:
        parts.append(Text(f"{delayed.lag:,.0f} s behind", "red"))
    return Text("\n").join(parts)
