"""Accounts for a person, and as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from rich.table import Table
from rich.text import Text

from tasks.queues import poll_queue
from willcall.cli.output.styles import HEALTH_STYLES, bare_table, describe_health
from willcall.orders.advice import TROUBLES
from willcall.orders.policy import Rate
from willcall.orders.serialization import rfc3339
from willcall.stores.listing import AccountSummary
from willcall.views.accounts import AccountView, account_schema
from willcall.views.formatting import format_count
from workers.transport.delayed import DelayedStats

#: Seconds that a due message waits before it is shown that no worker promotes it.
STALLED = 5.0


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account; `waiting`: its provider's messages that wait for their time, None where the broker does not tell."""

    view: AccountView
    waiting: DelayedStats | None


def describe_rate(rate: Rate) -> str:
    """`10 per 1 s, burst 10`."""
    return f"{rate.limit:g} per {rate.period:g} s, burst {rate.burst}"


def row_document(row: AccountRow) -> dict[str, Any]:
    """An account as JSON, with what waits in its queue."""
    waiting = row.waiting and {
        "queue": poll_queue(row.view.account.key),
        "messages": row.waiting.count,
        "next_due": rfc3339(row.waiting.next_due),
        "lag": row.waiting.lag,
    }
    return {**account_schema(row.view).to_json(), "waiting": waiting}


def accounts_table(rows: Iterable[AccountRow], now: float, *, beat: bool) -> Table:
    """One row an account, its numbers below each other, and one for the messages of a provider's several accounts."""
    table = bare_table()
    table.add_column("account", no_wrap=True)
    table.add_column("health", min_width=12)
    table.add_column("tokens", no_wrap=True)
    table.add_column("open orders")
    table.add_column("all orders", min_width=17)
    for provider, group in groupby(rows, lambda row: row.view.account.provider):
        accounts = list(group)
        words = _waiting_words(accounts[0].waiting)
        for row in accounts:
            table.add_row(*_cells(row.view, now, Text() if len(accounts) > 1 else words, beat=beat))
        if len(accounts) > 1 and words:
            table.add_row(Text(f"{provider}, all"), "", "", words)
    return table


def add_unconfigured(table: Table, account_key: str, tally: AccountSummary) -> None:
    """A row more, for an account that the configuration lacks."""
    what = Text(TROUBLES["forgotten"].what, "red")
    table.add_row(Text(account_key), what, "", _listed(asdict(tally.backlog)), _listed(tally.counts))


def unconfigured_document(account_key: str, tally: AccountSummary) -> dict[str, Any]:
    """What is known of an account that the configuration lacks, as JSON."""
    return {
        "account": account_key,
        "health": "forgotten",
        "why": TROUBLES["forgotten"].what,
        "backlog": asdict(tally.backlog),
        "orders": {status.value: count for status, count in tally.counts.items()},
    }


def _cells(view: AccountView, now: float, waiting: Text, *, beat: bool) -> list[Text]:
    """An account's row; `waiting` tells of its messages."""
    state, rate = view.state, view.account.rate
    tokens = Text(f"{state.tokens} of {state.burst} now\n")
    tokens.append(f"{rate.limit:g} per {rate.period:g} s", "dim")
    health = Text(describe_health(state, now, held=view.held, beat=beat), HEALTH_STYLES[state.without_pause.health])
    if state.throttles:
        health.append(f"\n{format_count(state.throttles, '429')}", "dim")
    backlog = Text("\n").join(filter(None, [Text(_listed(asdict(view.backlog))), waiting]))
    return [Text(view.account.key), health, tokens, backlog, Text(_listed(view.counts))]


def _listed(counts: Mapping[Any, int]) -> str:
    return "\n".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def _waiting_words(waiting: DelayedStats | None) -> Text:
    """How many messages wait for their time; red where nobody has promoted what is due."""
    words = []
    if waiting and waiting.count:
        words.append(Text(f"{waiting.count:,} queued", "dim"))
    if waiting and waiting.lag > STALLED:
        words.append(Text(f"late {waiting.lag:,.0f} s", "red"))
    return Text("\n").join(words)
