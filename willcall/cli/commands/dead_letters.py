"""The command that lists dead letters, requeues one or clears them all."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING, Annotated

import typer

from willcall.cli.bootstrap import open_config, open_context, open_stores
from willcall.cli.output.console import print_json_line, print_note, stdout_console, strip_control_characters
from willcall.views.formatting import format_count, format_relative

if TYPE_CHECKING:
    from willcall.stores.dead_letters import DeadLetter


def dead_letters(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per message, with all of it.")] = False,
    requeue_id: Annotated[
        str | None, typer.Option("--requeue", metavar="ID", help="Send one back to the queue it came from.")
    ] = None,
    clear_all: Annotated[bool, typer.Option("--clear", help="Delete all of them.")] = False,
) -> None:
    """List messages in our queues that no task could process: not JSON, not a task, or an unknown task."""
    from willcall.usecases.dead_letters import Via, clear, requeue

    if requeue_id is not None and clear_all:
        raise typer.BadParameter("give --requeue or --clear, not both", param_hint="--requeue")
    if requeue_id is not None:
        letter = requeue(open_context(), requeue_id, Via.COMMAND_LINE)
        typer.echo(f"Requeued to {strip_control_characters(letter.queue)}.")
    elif clear_all:
        typer.echo(f"{format_count(clear(open_context(), Via.COMMAND_LINE), 'message')} deleted.")
    else:
        _list(as_json=as_json)


def _list(*, as_json: bool) -> None:
    from willcall.usecases.dead_letters import dead_letter_schema

    stores = open_stores(open_config())
    letters = stores.dead_letters.newest()
    if as_json:
        for letter in letters:
            print_json_line(dead_letter_schema(letter).to_json())
    elif letters:
        _show(letters, stores.accounts.now())
    else:
        print_note("There are no dead letters.")


def _show(letters: "list[DeadLetter]", now: float) -> None:
    from willcall.cli.output.styles import bare_table

    table = bare_table()
    for title in ("id", "queue", "when", "why"):
        table.add_column(title, overflow="fold")
    for letter in letters:
        why = f"{letter.reason.text}; {letter.size:,} bytes"
        table.add_row(letter.id, strip_control_characters(letter.queue), format_relative(letter.at, now, 1), why)
    stdout_console().print(table)
