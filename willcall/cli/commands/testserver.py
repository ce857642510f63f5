"""`willcall test-server`."""

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from willcall.cli.errors import CommandError
from willcall.cli.output.console import print_json_line
from willcall.devtools.local_deployment import StartError
from willcall.devtools.testserver import StopRequest, running_test_server


def run_test_server(
    *,
    ceiling: Annotated[float, typer.Option(min=1, help="Seconds after which an order expires.")] = 3_600.0,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="Stop when stdin ends, and so with the process that started this one.")
    ] = False,
) -> None:
    """Run everything on free ports, for a backend's tests. The providers are simulated.

    Prints a line of JSON once it is ready. The configuration of this folder is not used, and nothing is kept.
    """
    stop = StopRequest()
    stop.listen(until_eof=until_eof)
    with suppress(KeyboardInterrupt):
        try:
            with running_test_server(ceiling) as server:
                print_json_line(asdict(server))
                stop.wait()
        except StartError as error:
            raise CommandError(f"the test server did not start:\n{error}") from None
