"""Accounts for a person, and as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.views import HEALTH_STYLES, bare_table, health_words
from cli.wording import counted
from tasks.queues import poll_queue
from willcall.orders.documents import rfc3339
from willcall.orders.model import Status
from willcall.orders.rate import Rate
from willcall.providers.base import Account
from willcall.stores.accounts import AccountState
from willcall.stores.listing import Backlog
from workers.waiting import Waiting

#: Seconds that a due message waits before it is shown that no worker promotes it.
STALLED = 5.0


@dataclass(frozen=True, slots=True)
class AccountView:
    """What is known of an account; `counts` are its orders by status.

    `waiting`: the messages of its provider's queue that wait for their time; None where the broker does not tell.
    """

    account: Account
    state: AccountState
    backlog: Backlog
    counts: Mapping[Status, int]
    waiting: Waiting | None


def rate_words(rate: Rate) -> str:
    """`10 per 1 s, burst 10`."""
    return f"{rate.limit:g} per {rate.period:g} s, burst {rate.burst}"


def account_document(view: AccountView) -> dict[str, Any]:
    """An account as JSON."""
    account, state = view.account, view.state
    return {
        "account": account.key,
        "health": state.health.value,
        "since": rfc3339(state.since),
        "until": rfc3339(state.until),
        "probe_at": rfc3339(state.probe_at),
        "tokens": state.tokens,
        "rate": asdict(account.rate),
        "throttles": state.throttles,
        "backlog": asdict(view.backlog),
        "orders": {status.value: count for status, count in view.counts.items()},
        "waiting": view.waiting
        and {
            "queue": poll_queue(account.key),
            "messages": view.waiting.count,
            "next_due": rfc3339(view.waiting.next_due),
            "lag": view.waiting.lag,
        },
    }


def accounts_table(views: Iterable[AccountView], now: float) -> Table:
    """One row an account, its numbers below each other."""
    table = bare_table()
    table.add_column("account", no_wrap=True)
    table.add_column("health", min_width=12)
    table.add_column("tokens", no_wrap=True)
    table.add_column("open orders")
    table.add_column("all orders", min_width=17)
    for view in views:
        state, rate = view.state, view.account.rate
        tokens = Text(f"{state.tokens} of {state.burst} now\n")
        tokens.append(f"{rate.limit:g} per {rate.period:g} s", "dim")
        health = Text(health_words(state, now), HEALTH_STYLES[state.health])
        if state.throttles:
            health.append(f"\n{counted(state.throttles, '429')}", "dim")
        table.add_row(
            Text(view.account.key),
            health,
            tokens,
            Text(_listed(asdict(view.backlog))).append_text(_waiting_words(view.waiting)),
            _listed(view.counts),
        )
    return table


def _listed(counts: Mapping[Any, int]) -> str:
    return "\n".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"


def _waiting_words(waiting: Waiting | None) -> Text:
    """How many messages wait for their time; red where nobody has promoted what is due."""
    words = Text()
    if waiting and waiting.count:
        words.append(f"\n{waiting.count:,} queued", "dim")
    if waiting and waiting.lag > STALLED:
        words.append(f"\nlate {waiting.lag:,.0f} s", "red")
    return words
