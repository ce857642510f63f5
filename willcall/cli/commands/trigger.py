"""`willcall trigger`."""

from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.errors import FAILED
from willcall.cli.output.console import print_json
from willcall.orders.samples import SAMPLES
from willcall.usecases import trigger as use_case


def trigger(
    status: Annotated[str, typer.Argument(metavar="STATUS", help=f"One of {', '.join(SAMPLES)}.")],
    *,
    callback_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to send it.  [default: the configured callback URL]")
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="NAME", help="The backend whose address and secret are used.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send a backend a sample event, signed, as if an order had come to a status.

    It says `"sample": true`. It is sent once. The exit code is 1 unless the backend answers 2xx.
    """
    if status not in SAMPLES:
        raise typer.BadParameter(f"must be one of {', '.join(SAMPLES)}", param_hint="STATUS")
    result = use_case.trigger(open_context(), status, command_line_actor(), url=callback_url, client=client)
    if as_json:
        print_json(use_case.trigger_schema(result).to_json())
    else:
        answer = f"answered HTTP {result.status}" if result.status else f"did not answer: {result.why}"
        typer.echo(f"Sample of {result.event.type} sent to {result.host}, which {answer}.")
    if not result.accepted:
        raise typer.Exit(FAILED)
