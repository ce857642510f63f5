"""One process of each kind, in the foreground."""
# ruff: noqa: PLC0415 - see cli.session

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from willcall.cli.bootstrap import note_missing_accounts, open_config
from willcall.cli.errors import USAGE, CommandError

LOOPBACK = "127.0.0.1"

PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on.")]


def worker(
    *,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Threads; most of them wait for a provider.")] = None,
    queues: Annotated[str | None, typer.Option(metavar="Q,..", help="Only these queues; all if left out.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Metrics on the first free port from here upwards; 0: nowhere."),
    ] = None,
) -> None:
    """Run a worker, which polls the providers."""
    from tasks.queues import queue_names
    from workers.app import CONCURRENCY
    from workers.run import run_worker

    config = open_config()
    note_missing_accounts(config.accounts)
    wanted = queues.split(",") if queues else None
    known = queue_names(config)
    if wanted and not set(wanted) <= set(known):
        unknown = ", ".join(sorted(set(wanted) - set(known)))
        raise typer.BadParameter(f"no such queue: {unknown}; there is {', '.join(known)}", param_hint="--queues")
    code = run_worker(config, concurrency or CONCURRENCY, wanted, metrics_port)
    if code:
        raise typer.Exit(code)


def beat() -> None:
    """Run beat, the clock of the sweeps."""
    from workers.run import run_beat

    run_beat(open_config())


def api(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on; beyond loopback only with api.keys.")] = LOOPBACK,
    port: PortOption = 8080,
) -> None:
    """Run the HTTP API."""
    from workers.run import run_api

    config = open_config()
    note_missing_accounts(config.accounts)
    with _listening(host, port):
        run_api(config, host, port)


def flower(
    *,
    address: Annotated[
        str, typer.Option(help="The address to listen on; beyond loopback only with FLOWER_BASIC_AUTH.")
    ] = LOOPBACK,
    port: PortOption = 5555,
) -> None:
    """Run Flower, the dashboard of tasks and workers; FLOWER_BASIC_AUTH=name:password makes it ask for a password."""
    from workers.run import run_flower

    config = open_config()
    with _listening(address, port):
        run_flower(config, address, port)


def simulator(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: PortOption = 8400,
    script: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="JSON or TOML file of accounts and orders."),
    ] = None,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Only print the accounts to put into willcall.toml, and exit.")
    ] = False,
) -> None:
    """Run the five providers over HTTP, for trying things out."""
    from pydantic import ValidationError

    from willcall.orders.submission import field_errors_of
    from willcall.simulator.account_tables import account_tables, to_toml
    from willcall.simulator.launch import run_simulator
    from willcall.simulator.script import Script, load

    try:
        told = load(script) if script else Script()
        if accounts:
            names = {"default", *(account.name for account in told.accounts)}
            tables = account_tables(f"http://{host}:{port}")
            known = {
                provider: {name: table for name, table in by_name.items() if name in names}
                for provider, by_name in tables.items()
            }
            allow = {"allow": ["127.0.0.0/8"]}  # documents are served from the same place
            typer.echo(to_toml({"outbound": allow, "providers": known}), nl=False)
        else:
            with _listening(host, port):
                run_simulator(host, port, told)
    except ValidationError as error:
        lines = "\n  ".join(map(str, field_errors_of(error)))
        raise CommandError(f"the script has mistakes\n  {lines}", USAGE) from None
    except ValueError as error:
        raise CommandError(f"the script cannot be used: {error}", USAGE) from None


@contextmanager
def _listening(host: str, port: int) -> Iterator[None]:
    """Say in words why an address cannot be had."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0  # below zero where the name leads nowhere
        why = os.strerror(number) if number > 0 else error.strerror
        raise CommandError(f"cannot listen on {host}:{port}: {why}") from None
