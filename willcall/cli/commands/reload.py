"""`willcall reload`."""

from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.errors import FAILED
from willcall.cli.output.console import print_json_line, print_note, stdout_console
from willcall.cli.output.styles import plain_table
from willcall.schemas.operations import TAKEN
from willcall.usecases.reload import reload_processes
from willcall.views.reload import describe_reload


def reload(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per process.")] = False
) -> None:
    """Have every process take its configuration as it is now.

    Each process reads its own file, and takes all of it or nothing. Waits up to 10 s for the answers. The exit code is
    1 if a process refused its file or did not answer, or if no process was found.
    """
    answers = reload_processes(open_stores(open_config()), command_line_actor())
    if not answers:
        print_note(
            "willcall: no process is running with this `redis_url`. If it has changed, restart the processes: "
            "they still use the one before"
        )
        raise typer.Exit(FAILED)
    if as_json:
        for answer in answers:
            print_json_line(answer.to_json())
    else:
        table = plain_table()
        for answer in answers:
            table.add_row(answer.kind, answer.name, describe_reload(answer))
        stdout_console().print(table)
    if any(answer.outcome != TAKEN for answer in answers):
        raise typer.Exit(FAILED)
