"""Commands about accounts: look, pause, resume."""
# ruff: noqa: PLC0415 - see cli.session

from itertools import starmap
from typing import TYPE_CHECKING, Annotated

import typer

from willcall.cli.bootstrap import note_missing_accounts, open_config, open_context, open_stores
from willcall.cli.output.console import print_json_line, print_note, stdout_console
from willcall.cli.parameters import duration
from willcall.views.formatting import describe_longer_pause, describe_resume, format_duration, format_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from willcall.config import Config
    from willcall.providers.base import Account
    from workers.transport.delayed import DelayedStats

AccountArgument = Annotated[
    str, typer.Argument(metavar="PROVIDER[/ACCOUNT]", help="One account, or all accounts of a provider.")
]


def list_accounts(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per account.")] = False
) -> None:
    """Show each account: health, tokens left, orders that wait, messages that wait for their time."""
    from tasks.queues import poll_queue
    from willcall.cli.output.accounts_table import (
        AccountRow,
        accounts_table,
        add_unconfigured,
        row_document,
        unconfigured_document,
    )
    from willcall.views.accounts import forgotten_accounts, view_account

    config = open_config()
    note_missing_accounts(config.accounts)
    stores = open_stores(config)
    now, delayed_stats = stores.accounts.now(), _waiting(config)
    rows = [
        AccountRow(view_account(stores, account, now), delayed_stats.get(poll_queue(key)))
        for key, account in sorted(config.accounts.items())
    ]
    lost = list(forgotten_accounts(stores, config.accounts))
    forgotten = dict(zip(lost, stores.listing.summaries(lost, now), strict=True))
    if as_json:
        for document in [*map(row_document, rows), *starmap(unconfigured_document, forgotten.items())]:
            print_json_line(document)
    elif rows or forgotten:
        table = accounts_table(rows, now, beat=bool(stores.processes.running("beat")))
        for key, tally in forgotten.items():
            add_unconfigured(table, key, tally)
        stdout_console().print(table)


def pause(
    name: AccountArgument,
    *,
    seconds: Annotated[
        float | None,
        typer.Option("--for", parser=duration, metavar="DURATION", help="90, 90s, 15m, 2h or 1d; else until resumed."),
    ] = None,
) -> None:
    """Send nothing to an account; its orders wait. A pause is not shortened: resume first."""
    from willcall.usecases.accounts import pause as pause_account

    context = open_context()
    accounts = _named(context.accounts, name)
    for account in accounts:
        paused = pause_account(context, account, seconds)
        if paused.already_longer:
            typer.echo(f"{account.key} {describe_longer_pause(paused.until)}")
        elif seconds is None or paused.until is None:
            typer.echo(f"{account.key} is paused until `willcall resume {account.key}`.")
        else:
            until = format_timestamp(paused.until)
            typer.echo(f"{account.key} is paused for {format_duration(seconds)}, until {until}.")


def resume(
    name: AccountArgument,
    *,
    now: Annotated[bool, typer.Option("--now", help="Ask even before the provider's Retry-After has passed.")] = False,
) -> None:
    """End a pause; try an account that is refused or down. A provider's Retry-After stands, unless --now is given."""
    from willcall.usecases.accounts import resume as resume_account

    context = open_context()
    for account in _named(context.accounts, name):
        if now:
            print_note(
                f"Warning: --now ignores the Retry-After of {account.key}; the provider may answer with a longer one."
            )
        resumed = resume_account(context, account, override=now)
        override = f"To ask all the same: `willcall resume {account.key} --now`."
        moment = context.stores.accounts.now()
        typer.echo(f"{account.key} {describe_resume(resumed, moment, override)}")


def _waiting(config: "Config") -> "Mapping[str, DelayedStats]":
    """What waits for its time in the queues; empty on a broker that does not tell."""
    from tasks.queues import poll_queue
    from willcall.stores.connection import connect
    from workers.transport.delayed import delayed_stats

    if config.settings.broker_url.partition(":")[0] not in {"", "redis", "rediss", "sentinel"}:
        return {}
    with connect(config.settings.broker_url or config.settings.redis_url) as broker:
        return delayed_stats(broker, sorted({poll_queue(key) for key in config.accounts}))


def _named(accounts: "Mapping[str, Account]", name: str) -> "list[Account]":
    """The accounts that `PROVIDER[/ACCOUNT]` means. Raises UnknownAccountError."""
    from willcall.config import find_account
    from willcall.orders.errors import UnknownAccountError

    provider, slash, account = name.partition("/")
    if slash:
        return [find_account(accounts, provider, account)]
    found = [one for key, one in sorted(accounts.items()) if one.provider == provider]
    if not found:
        raise UnknownAccountError(name, sorted(accounts))
    return found
