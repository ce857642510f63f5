"""`willcall sweep`."""

from math import inf
from typing import Annotated

import typer

from schedules.sweeps import SWEEPS, run_sweep
from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.orders.history import Action
from willcall.usecases.history import record_action


def sweep(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help=f"One of {', '.join(SWEEPS)}; all of them if left out.")
    ] = None,
) -> None:
    """Run a sweep now, in this process."""
    if name is not None and name not in SWEEPS:
        raise typer.BadParameter(f"must be one of {', '.join(SWEEPS)}", param_hint="NAME")
    context = open_context()
    for each in [name] if name else SWEEPS:
        counts = run_sweep(context, each, budget=inf)
        if counts is None:
            typer.echo(f"{each}: running already in another process")
        else:
            results = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in counts.items())
            record_action(context, Action.SWEPT, command_line_actor(), f"{each}: {results}")
            typer.echo(f"{each}: {results}")
