"""Commands that look after the whole: sweeps and the configuration."""
# ruff: noqa: PLC0415 - see cli.session

from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from willcall.cli.bootstrap import note_missing_accounts, open_config, open_context
from willcall.cli.output.console import redact_url, stdout_console
from willcall.views.formatting import format_count, format_duration

if TYPE_CHECKING:
    from willcall.orders.policy import PollPolicy


def sweep(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which; all of them if left out.")] = None,
) -> None:
    """Run a sweep now, in this process: polls, documents, notify, alerts, inbox, expire, reconcile or prune."""
    from schedules.timetable import SWEEPS, run_sweep

    if name is not None and name not in SWEEPS:
        raise typer.BadParameter(f"there is no sweep {name}; there is {', '.join(SWEEPS)}", param_hint="NAME")
    context = open_context()
    for each in [name] if name else SWEEPS:
        counts = run_sweep(context, each, budget=inf)
        if counts is None:
            typer.echo(f"{each}: a run of it is at work elsewhere")
        else:
            words = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())
            typer.echo(f"{each}: {words}")


def check_config() -> None:
    """Report every mistake in the configuration at once, or show what it comes to."""
    from willcall.cli.output.accounts_table import describe_rate
    from willcall.cli.output.styles import bare_table

    config = open_config()
    typer.echo(f"The configuration is good: {format_count(len(config.accounts), 'account')}.")
    typer.echo(f"State is kept in {redact_url(config.settings.redis_url)}.")
    if config.settings.broker_url:
        typer.echo(f"Messages go through {redact_url(config.settings.broker_url)}.")
    note_missing_accounts(config.accounts)
    if config.accounts:
        table = bare_table()
        for title in ("account", "rate", "polling", "at most for"):
            table.add_column(title, overflow="fold")
        for key, account in sorted(config.accounts.items()):
            ceiling = format_duration(account.polling.ceiling)
            table.add_row(key, describe_rate(account.rate), _polling_words(account.polling), ceiling)
        console = stdout_console()
        console.print()
        console.print(table)


def _polling_words(polling: "PollPolicy") -> str:
    if polling.strategy == "interval":
        low, high = polling.interval
        return f"every {format_duration(low)} to {format_duration(high)}"
    return f"{format_duration(polling.initial)}, then times {polling.factor:g} up to {format_duration(polling.cap)}"
