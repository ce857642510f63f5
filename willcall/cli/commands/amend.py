"""`willcall amend`."""

from typing import Annotated, Any

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_json
from willcall.cli.parameters import OrderIdArgument, parse_time
from willcall.orders.serialization import order_to_json
from willcall.usecases.amend import amend_order
from willcall.usecases.orders import get_order


def amend(
    order_id: OrderIdArgument,
    *,
    quantity: Annotated[int | None, typer.Option(help="How many tickets were bought.")] = None,
    event_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When the customer goes in (ISO 8601 with a time zone); empty: unknown."),
    ] = None,
    callback_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to send events about the order; empty: no own address.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Correct what was submitted of an order. After a new quantity, the order is checked again at once."""
    payload: dict[str, Any] = {}
    if quantity is not None:
        payload["quantity"] = quantity
    if event_at is not None:
        payload["event_at"] = parse_time(event_at) if event_at else None
    if callback_url is not None:
        payload["callback_url"] = callback_url or None
    if not payload:
        raise typer.BadParameter("name what to change: --quantity, --event-at or --callback-url")
    context = open_context()
    changed = amend_order(context, order_id, payload, command_line_actor())
    order = get_order(context, order_id)
    if as_json:
        print_json(order_to_json(order))
    else:
        typer.echo(
            f"Order {order_id} is amended; it is {order.status}." if changed else f"Order {order_id} is so already."
        )
