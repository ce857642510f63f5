"""`willcall demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    seed: Annotated[int, typer.Option(help="Which variation of the script.")] = 1,
    svg: Annotated[Path | None, typer.Option(help="Write a picture of the result to this file.")] = None,
    keep: Annotated[
        Path | None, typer.Option(file_okay=False, help="Leave configuration, logs and data in this folder.")
    ] = None,
) -> None:
    """Fulfil orders from five simulated providers, end to end, on this machine."""
    from willcall.devtools.demo import run_demo  # noqa: PLC0415 - Celery takes half a second to import

    if not run_demo(seed, svg, keep):
        raise typer.Exit(1)
