"""`willcall check-config`."""

from collections.abc import Iterable

import typer
from rich.table import Table

from willcall.cli.bootstrap import ignored_proxy, note_missing_accounts, open_config
from willcall.cli.output.accounts_table import describe_rate
from willcall.cli.output.console import print_note, redact_url, stdout_console
from willcall.cli.output.styles import plain_table
from willcall.config import Config
from willcall.config.clients import ANY_ACCOUNT, ClientSettings
from willcall.config.settings import NotifySettings
from willcall.orders.policy import PollPolicy
from willcall.orders.urls import callback_host
from willcall.views.formatting import format_count, format_duration


def check_config() -> None:
    """Check the configuration, show accounts and clients. Reports all errors at once, with exit code 2."""
    config = open_config()
    typer.echo(f"The configuration is valid: {format_count(len(config.accounts), 'account')}.")
    typer.echo(f"State: {redact_url(config.settings.redis_url)}")
    if config.settings.broker_url:
        typer.echo(f"Broker: {redact_url(config.settings.broker_url)}")
    note_missing_accounts(config.accounts)
    proxy = ignored_proxy(config)
    if proxy:
        print_note(f"willcall: {proxy}")
    if config.accounts:
        table = plain_table()
        for title in ("account", "rate", "polling", "for at most"):
            table.add_column(title)
        for key, account in sorted(config.accounts.items()):
            longest = format_duration(account.polling.ceiling)
            table.add_row(key, describe_rate(account.rate), _describe_polling(account.polling), longest)
        _print_table(table)
    if config.settings.api.clients:
        _print_table(_clients_table(config))


def _print_table(table: Table) -> None:
    console = stdout_console()
    console.print()
    console.print(table)


def _clients_table(config: Config) -> Table:
    table = plain_table()
    for title in ("client", "keys", "accounts", "callbacks to", "secrets"):
        table.add_column(title)
    settings = config.settings
    for name, client in sorted(settings.api.clients.items()):
        url = settings.callback_url(name, None)
        table.add_row(
            name,
            str(len(client.keys)),
            _describe_accounts(client, config.accounts),
            callback_host(url) if url else "each order's own",
            _describe_secrets(client, settings.notify),
        )
    return table


def _describe_accounts(client: ClientSettings, accounts: Iterable[str]) -> str:
    if ANY_ACCOUNT in client.accounts:
        return "all"
    return ", ".join(key for key in sorted(accounts) if client.may_use(key)) or "none"


def _describe_secrets(client: ClientSettings, notify: NotifySettings) -> str:
    if client.secret:
        return f"{len(client.secret)} of its own"
    return f"{len(notify.secret)} of notify" if notify.secret else "none, unsigned"


def _describe_polling(polling: PollPolicy) -> str:
    if polling.strategy == "interval":
        low, high = polling.interval
        return f"every {format_duration(low)} to {format_duration(high)}"
    return f"{format_duration(polling.initial)}, then times {polling.factor:g} up to {format_duration(polling.cap)}"
