"""`willcall complete`."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_json
from willcall.cli.parameters import OrderIdArgument
from willcall.orders.serialization import order_to_json
from willcall.usecases.complete import NewTickets, UploadedFile, complete_order
from willcall.usecases.orders import get_order
from willcall.views.formatting import format_count


def complete(
    order_id: OrderIdArgument,
    *,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="PDF", exists=True, dir_okay=False, help="A ticket's file; may be repeated."),
    ] = None,
    codes: Annotated[
        list[str] | None, typer.Option("--code", metavar="CODE", help="A ticket's barcode; may be repeated.")
    ] = None,
    urls: Annotated[
        list[str] | None, typer.Option("--url", metavar="URL", help="A ticket's address; may be repeated.")
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="For the order's timeline.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fulfil an order with tickets that you got another way. Its backend is notified.

    The order keeps the tickets that it has. Without any option, those are all. No later answer of the provider undoes
    it.
    """
    context = open_context()
    with ExitStack() as stack:
        uploads = [UploadedFile(path.name, stack.enter_context(path.open("rb"))) for path in files or ()]
        changed = complete_order(
            context, order_id, NewTickets(uploads, codes or (), urls or (), note), command_line_actor()
        )
    order = get_order(context, order_id)
    tickets = format_count(len(order.tickets), "ticket")
    if as_json:
        print_json(order_to_json(order))
    else:
        typer.echo(f"Order {order_id} {'is' if changed else 'was already'} {order.status} with {tickets}.")
