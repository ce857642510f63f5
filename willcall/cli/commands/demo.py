"""`willcall demo`."""

from pathlib import Path
from typing import Annotated

import typer

from willcall.devtools.demo import run_demo


def demo(
    seed: Annotated[int, typer.Option(help="The variation of the script.")] = 1,
    svg: Annotated[Path | None, typer.Option(help="Write an SVG of the result to this file.")] = None,
    keep: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep configuration, logs and data in this folder.")
    ] = None,
) -> None:
    """Fulfil orders from five simulated providers on this machine."""
    if not run_demo(seed, svg, keep):
        raise typer.Exit(1)
