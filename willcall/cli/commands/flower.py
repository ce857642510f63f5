"""`willcall flower`."""

from typing import Annotated

import typer

from willcall.cli.bootstrap import read_config
from willcall.cli.network import LOOPBACK, explain_listen_errors
from willcall.cli.parameters import PortOption
from willcall.runtime.live_config import LiveConfig
from workers.processes.flower import run_flower


def flower(
    *,
    address: Annotated[
        str, typer.Option(help="The address to listen on; beyond loopback only with FLOWER_BASIC_AUTH.")
    ] = LOOPBACK,
    port: PortOption = 5555,
) -> None:
    """Run Flower, the dashboard of tasks and workers. Set FLOWER_BASIC_AUTH=name:password to require a login."""
    live = LiveConfig(read_config)
    with explain_listen_errors(address, port):
        run_flower(live, address, port)
