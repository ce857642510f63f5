"""`willcall worker`."""

from typing import Annotated

import typer

from tasks.queues import queue_names
from willcall.cli.bootstrap import note_missing_accounts, read_config
from willcall.runtime.live_config import LiveConfig
from workers.app import CONCURRENCY
from workers.processes.worker import run_worker


def worker(
    *,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Threads; most of them wait for providers.")] = None,
    queues: Annotated[str | None, typer.Option(metavar="Q,..", help="Only these queues.  [default: all]")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Serve metrics on the first free port from this one on; 0: do not."),
    ] = None,
) -> None:
    """Run a worker, which polls providers and sends callbacks."""
    live = LiveConfig(read_config)
    config = live.config
    note_missing_accounts(config.accounts)
    chosen = queues.split(",") if queues else None
    known = queue_names(config)
    if chosen and not set(chosen) <= set(known):
        unknown = ", ".join(sorted(set(chosen) - set(known)))
        raise typer.BadParameter(f"unknown queue: {unknown}; must be one of {', '.join(known)}", param_hint="--queues")
    code = run_worker(live, concurrency or CONCURRENCY, chosen or (), metrics_port)
    if code:
        raise typer.Exit(code)
