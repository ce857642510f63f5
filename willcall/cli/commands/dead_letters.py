"""`willcall dead-letters`."""

from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.context import open_context
from willcall.cli.output.console import print_json_line, print_note, stdout_console, strip_control_characters
from willcall.cli.output.styles import plain_table
from willcall.stores.dead_letters import DeadLetter
from willcall.usecases.dead_letters import clear, dead_letter_schema, requeue
from willcall.views.formatting import format_count, format_relative


def dead_letters(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print each message in full, one line of JSON each.")] = False,
    requeue_id: Annotated[
        str | None, typer.Option("--requeue", metavar="ID", help="Send one back to its queue.")
    ] = None,
    clear_all: Annotated[bool, typer.Option("--clear", help="Delete all of them.")] = False,
) -> None:
    """List messages that no task could process. They are not JSON, not a task, or name an unknown task."""
    if requeue_id is not None and clear_all:
        raise typer.BadParameter("cannot be combined with --clear", param_hint="--requeue")
    if requeue_id is not None:
        letter = requeue(open_context(), requeue_id, command_line_actor())
        typer.echo(f"Sent back to {strip_control_characters(letter.queue)}.")
    elif clear_all:
        typer.echo(f"{format_count(clear(open_context(), command_line_actor()), 'message')} deleted.")
    else:
        _print_list(as_json=as_json)


def _print_list(*, as_json: bool) -> None:
    stores = open_stores(open_config())
    letters = stores.dead_letters.newest()
    if as_json:
        for letter in letters:
            print_json_line(dead_letter_schema(letter).to_json())
    elif letters:
        _print_table(letters, stores.accounts.now())
    else:
        print_note("There are no dead letters.")


def _print_table(letters: list[DeadLetter], now: float) -> None:
    table = plain_table()
    table.add_column("id", no_wrap=True)
    for title in ("queue", "when", "why"):
        table.add_column(title)
    for letter in letters:
        why = f"{letter.reason.text}; {letter.size:,} bytes"
        table.add_row(letter.id, strip_control_characters(letter.queue), format_relative(letter.at, now, 1), why)
    stdout_console().print(table)
