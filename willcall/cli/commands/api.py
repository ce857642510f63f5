"""`willcall api`."""

from typing import Annotated

import typer

from willcall.cli.bootstrap import note_missing_accounts, read_config
from willcall.cli.network import LOOPBACK, explain_listen_errors
from willcall.cli.parameters import PortOption
from willcall.runtime.live_config import LiveConfig
from workers.processes.api import run_api


def api(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on; beyond loopback only with api.keys.")] = LOOPBACK,
    port: PortOption = 8080,
) -> None:
    """Run the HTTP API."""
    live = LiveConfig(read_config)
    note_missing_accounts(live.config.accounts)
    with explain_listen_errors(host, port):
        run_api(live, host, port)
