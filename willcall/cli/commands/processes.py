"""`willcall worker`, `beat`, `api` and `flower`: one process of each kind, in the foreground."""

from typing import Annotated

import typer

from tasks.queues import queue_names
from willcall.cli.bootstrap import note_missing_accounts, open_config
from willcall.cli.network import LOOPBACK, explain_listen_errors
from willcall.cli.parameters import PortOption
from workers.app import CONCURRENCY
from workers.run import run_api, run_beat, run_flower, run_worker


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
    config = open_config()
    note_missing_accounts(config.accounts)
    chosen = queues.split(",") if queues else None
    known = queue_names(config)
    if chosen and not set(chosen) <= set(known):
        unknown = ", ".join(sorted(set(chosen) - set(known)))
        raise typer.BadParameter(f"unknown queue: {unknown}; must be one of {', '.join(known)}", param_hint="--queues")
    code = run_worker(config, concurrency or CONCURRENCY, chosen, metrics_port)
    if code:
        raise typer.Exit(code)


def beat() -> None:
    """Run beat, which starts the sweeps."""
    run_beat(open_config())


def api(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on; beyond loopback only with api.keys.")] = LOOPBACK,
    port: PortOption = 8080,
) -> None:
    """Run the HTTP API."""
    config = open_config()
    note_missing_accounts(config.accounts)
    with explain_listen_errors(host, port):
        run_api(config, host, port)


def flower(
    *,
    address: Annotated[
        str, typer.Option(help="The address to listen on; beyond loopback only with FLOWER_BASIC_AUTH.")
    ] = LOOPBACK,
    port: PortOption = 5555,
) -> None:
    """Run Flower, the dashboard of tasks and workers. Set FLOWER_BASIC_AUTH=name:password to require a login."""
    config = open_config()
    with explain_listen_errors(address, port):
        run_flower(config, address, port)
