"""The `willcall` application: which commands there are, and how errors end."""

import sys
from typing import Annotated

import typer

from willcall import __version__
from willcall.cli.commands import (
    accounts,
    dead_letters,
    demo,
    import_orders,
    inbox,
    orders,
    processes,
    redeliver,
    up,
    upkeep,
    version,
)
from willcall.cli.commands.doctor import doctor
from willcall.cli.errors import explain
from willcall.cli.output.console import print_note

ORDERS, ACCOUNTS, PROCESSES, UPKEEP = "Orders", "Accounts", "Processes", "Upkeep"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(rich_help_panel=ORDERS)(orders.submit)
app.command("import", rich_help_panel=ORDERS)(import_orders.import_orders)
app.command(rich_help_panel=ORDERS)(orders.order)
app.command("orders", rich_help_panel=ORDERS)(orders.list_orders)
app.command(rich_help_panel=ORDERS)(orders.poll)
app.command(rich_help_panel=ORDERS)(orders.cancel)
app.command(rich_help_panel=ORDERS)(redeliver.redeliver)
app.command(rich_help_panel=ORDERS)(inbox.inbox)
app.command("accounts", rich_help_panel=ACCOUNTS)(accounts.list_accounts)
app.command(rich_help_panel=ACCOUNTS)(accounts.pause)
app.command(rich_help_panel=ACCOUNTS)(accounts.resume)
app.command(rich_help_panel=PROCESSES)(up.up)
app.command(rich_help_panel=PROCESSES)(processes.worker)
app.command(rich_help_panel=PROCESSES)(processes.beat)
app.command(rich_help_panel=PROCESSES)(processes.api)
app.command(rich_help_panel=PROCESSES)(processes.flower)
app.command(rich_help_panel=PROCESSES)(processes.simulator)
app.command(rich_help_panel=UPKEEP)(demo.demo)
app.command(rich_help_panel=UPKEEP)(doctor)
app.command(rich_help_panel=UPKEEP)(dead_letters.dead_letters)
app.command(rich_help_panel=UPKEEP)(upkeep.sweep)
app.command(rich_help_panel=UPKEEP)(upkeep.check_config)
app.command("version", rich_help_panel=UPKEEP)(version.version)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"willcall {__version__}")
        raise typer.Exit


@app.callback()
def willcall(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Gets the tickets of orders already bought at ticketing providers, and tells the backend once."""


def main() -> None:
    """Run the command line; a failure is one clear message on stderr and an exit code."""
    try:
        app(prog_name="willcall")
    except Exception as error:
        explanation = explain(error)
        if explanation is None:
            raise
        for number, line in enumerate(explanation.message.splitlines()):
            print_note(line if number else f"willcall: {line}")
        sys.exit(explanation.code)
