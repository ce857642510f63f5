"""The `willcall` application: its commands, and what errors print."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from willcall import __version__
from willcall.cli.output.console import print_note

ORDERS, ACCOUNTS, PROCESSES, OPERATIONS = "Orders", "Accounts", "Processes", "Operations"

#: By name: the module and function of a command, its panel in `--help`, and the first sentence of its own help.
COMMANDS = {
    "submit": ("submit", "submit", ORDERS, "Submit one order."),
    "import": ("import_orders", "import_orders", ORDERS, "Submit many orders from a file of JSON Lines."),
    "checkout": (
        "checkout",
        "checkout",
        ORDERS,
        "Create an order at its provider, submit it, and print where the customer pays.",
    ),
    "look": ("look", "look", ORDERS, "Show what a provider says about a reference now, without an order."),
    "order": ("order", "order", ORDERS, "Show one order, its tickets and its attempts."),
    "orders": ("orders", "list_orders", ORDERS, "List orders, newest first, or by event or by change."),
    "poll": ("order_actions", "poll", ORDERS, "Poll an order as soon as the provider and the rate allow."),
    "amend": ("amend", "amend", ORDERS, "Correct what was submitted of an order."),
    "complete": ("complete", "complete", ORDERS, "Fulfil an order with tickets that you got another way."),
    "cancel": ("order_actions", "cancel", ORDERS, "Stop polling an order and cancel it."),
    "erase": ("order_actions", "erase", ORDERS, "Forget a final order but for its id, times and outcomes."),
    "redeliver": (
        "order_actions",
        "redeliver",
        ORDERS,
        "Send the latest event of an order, or of many, to the backend again.",
    ),
    "bulk": ("bulk", "bulk", ORDERS, "Poll, resume, redeliver, complete or cancel many orders."),
    "trigger": (
        "trigger",
        "trigger",
        ORDERS,
        "Send a backend a sample event, signed, as if an order had come to a status.",
    ),
    "inbox": ("inbox", "inbox", ORDERS, "List pushes whose order has not been submitted yet."),
    "accounts": ("accounts", "list_accounts", ACCOUNTS, "List accounts: health, tokens and orders."),
    "pause": ("account_actions", "pause", ACCOUNTS, "Stop sending requests to an account."),
    "resume": ("account_actions", "resume", ACCOUNTS, "End a pause, or check a rejected or failing account now."),
    "up": ("up", "up", PROCESSES, "Run everything on this machine, for development."),
    "worker": ("worker", "worker", PROCESSES, "Run a worker, which polls providers and sends callbacks."),
    "beat": ("beat", "beat", PROCESSES, "Run beat, which starts the sweeps."),
    "api": ("api", "api", PROCESSES, "Run the HTTP API."),
    "flower": ("flower", "flower", PROCESSES, "Run Flower, the dashboard of tasks and workers."),
    "simulator": ("simulator", "simulator", PROCESSES, "Run a simulator of the five providers over HTTP."),
    "test-server": ("testserver", "run_test_server", PROCESSES, "Run everything on free ports, for a backend's tests."),
    "demo": ("demo", "demo", OPERATIONS, "Fulfil orders from five simulated providers on this machine."),
    "doctor": ("doctor", "doctor", OPERATIONS, "Check the deployment, and say how to fix what is wrong."),
    "dead-letters": ("dead_letters", "dead_letters", OPERATIONS, "List messages that no task could process."),
    "history": ("history", "history", OPERATIONS, "Show who did what with accounts and with Willcall itself."),
    "reload": ("reload", "reload", OPERATIONS, "Have every process take its configuration as it is now."),
    "sweep": ("sweep", "sweep", OPERATIONS, "Run a sweep now, in this process."),
    "check-config": (
        "check_config",
        "check_config",
        OPERATIONS,
        "Check the configuration, show accounts and clients.",
    ),
    "version": ("version", "version", OPERATIONS, "Show the versions of Willcall and what it runs on."),
}


class LazyGroup(TyperGroup):
    """A group of commands whose modules are imported when they run: `--help` and each command start fast."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the placeholder that `--help` shows by the command itself."""
        name, command, arguments = super().resolve_command(ctx, args)
        return name, load_command(name) if name else command, arguments


def load_command(name: str) -> Any:
    """Import a command."""
    module, function, _, _ = COMMANDS[name]
    with _uncollected():
        imported = import_module(f"willcall.cli.commands.{module}")
    command = typer.Typer(add_completion=False)
    command.command(name)(getattr(imported, function))
    return typer.main.get_command(command)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Exclude what the block creates from garbage collection, the first time.

    Modules stay as long as the process. To search them for garbage, again and again while they are imported and then
    with each full collection, would cost a fifth of the CPU with which a process starts.
    """
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # in a process that runs many commands, as tests do, there is garbage later
            gc.freeze()
        gc.enable()


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, (_, _, _panel, _summary) in COMMANDS.items():
    app.command(_name, rich_help_panel=_panel, help=_summary)(lambda: None)


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
    """Get the tickets of orders already bought at ticketing providers, and notify the backend once."""


def main() -> None:
    """Run the command line. An expected error prints a message on stderr and sets the exit code."""
    try:
        app(prog_name="willcall")
    except Exception as error:
        explanation = import_module("willcall.cli.error_messages").explain(error)  # only now: it imports much
        if explanation is None:
            raise
        for number, line in enumerate(explanation.message.splitlines()):
            print_note(line if number else f"willcall: {line}")
        sys.exit(explanation.code)
