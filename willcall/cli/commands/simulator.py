"""`willcall simulator`."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from willcall.cli.errors import USAGE, CommandError
from willcall.cli.network import LOOPBACK, explain_listen_errors
from willcall.cli.parameters import PortOption
from willcall.orders.submission import field_errors_of
from willcall.simulator.account_tables import account_tables, to_toml
from willcall.simulator.launch import run_simulator
from willcall.simulator.script import Script, load


def simulator(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = LOOPBACK,
    port: PortOption = 8400,
    script: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="JSON or TOML file of accounts and orders."),
    ] = None,
    accounts: Annotated[
        bool, typer.Option("--accounts", help="Print the account tables for willcall.toml, and exit.")
    ] = False,
) -> None:
    """Run a simulator of the five providers over HTTP."""
    try:
        loaded = load(script) if script else Script()
        if accounts:
            typer.echo(_config_for(loaded, f"http://{host}:{port}"), nl=False)
        else:
            with explain_listen_errors(host, port):
                run_simulator(host, port, loaded)
    except ValidationError as error:
        lines = "\n  ".join(map(str, field_errors_of(error)))
        raise CommandError(f"invalid script\n  {lines}", USAGE) from None
    except ValueError as error:
        raise CommandError(f"invalid script: {error}", USAGE) from None


def _config_for(script: Script, url: str) -> str:
    """Return the configuration with which a deployment uses the simulator, as TOML."""
    names = {"default", *(account.name for account in script.accounts)}
    providers = {
        provider: {name: table for name, table in tables.items() if name in names}
        for provider, tables in account_tables(url).items()
    }
    allow = {"allow": ["127.0.0.0/8"]}  # documents are served from the same address
    return to_toml({"outbound": allow, "providers": providers})
