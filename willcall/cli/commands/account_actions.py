"""`willcall pause` and `willcall resume`."""

from collections.abc import Mapping
from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_note
from willcall.cli.parameters import parse_duration
from willcall.config import find_account
from willcall.orders.errors import UnknownAccountError
from willcall.providers.base import Account
from willcall.usecases import accounts as use_cases
from willcall.views.formatting import describe_longer_pause, format_duration, format_timestamp
from willcall.views.promises import describe_resume, read_conditions

AccountArgument = Annotated[
    str, typer.Argument(metavar="PROVIDER[/ACCOUNT]", help="One account, or all accounts of a provider.")
]


def pause(
    name: AccountArgument,
    *,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for",
            parser=parse_duration,
            metavar="DURATION",
            help="90, 90s, 15m, 2h or 1d.  [default: until resumed]",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, for the account's history.")] = None,
) -> None:
    """Stop sending requests to an account. Its orders are held. To shorten a pause, resume the account first."""
    context = open_context()
    for account in _find_accounts(context.accounts, name):
        paused = use_cases.pause(context, account, seconds, command_line_actor(), reason)
        if paused.already_longer:
            typer.echo(f"{account.key} {describe_longer_pause(paused.until)}")
        elif seconds is None or paused.until is None:
            typer.echo(f"{account.key} is paused until you run `willcall resume {account.key}`.")
        else:
            until = format_timestamp(paused.until)
            typer.echo(f"{account.key} is paused for {format_duration(seconds)}, until {until}.")


def resume(
    name: AccountArgument,
    *,
    now: Annotated[bool, typer.Option("--now", help="Poll even before the provider's Retry-After has passed.")] = False,
) -> None:
    """End a pause, or check a rejected or failing account now. A Retry-After still holds, unless --now is given."""
    context = open_context()
    for account in _find_accounts(context.accounts, name):
        if now:
            print_note(
                f"Warning: --now ignores the Retry-After of {account.key}; the provider may respond with a longer one."
            )
        resumed = use_cases.resume(context, account, command_line_actor(), override=now)
        override = f"To poll anyway: `willcall resume {account.key} --now`."
        result = describe_resume(resumed, read_conditions(context.stores, context.accounts, account.key), override)
        typer.echo(f"{account.key} {result}")


def _find_accounts(accounts: Mapping[str, Account], name: str) -> list[Account]:
    """Return the accounts that `PROVIDER[/ACCOUNT]` names. Raises UnknownAccountError."""
    provider, slash, account = name.partition("/")
    if slash:
        return [find_account(accounts, provider, account)]
    found = [one for key, one in sorted(accounts.items()) if one.provider == provider]
    if not found:
        raise UnknownAccountError(name, sorted(accounts))
    return found
