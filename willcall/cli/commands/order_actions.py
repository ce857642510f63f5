"""`willcall poll`, `willcall cancel` and `willcall redeliver`."""

from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_note
from willcall.cli.parameters import OrderIdArgument
from willcall.usecases import notify
from willcall.usecases.orders import cancel_order, get_order, request_poll
from willcall.views.formatting import describe_expedited_poll


def poll(
    order_id: OrderIdArgument,
    *,
    ignore_hint: Annotated[
        bool, typer.Option("--now", help="Poll even before the provider's Retry-After has passed.")
    ] = False,
) -> None:
    """Poll an order as soon as the provider and the rate allow. Prints when that is."""
    context = open_context()
    if ignore_hint:
        print_note("Warning: --now ignores the provider's Retry-After; the provider may respond with a longer one.")
    expedited = request_poll(context, order_id, command_line_actor(), override=ignore_hint)
    order, now = get_order(context, order_id), context.stores.accounts.now()
    typer.echo(f"Order {order_id} {describe_expedited_poll(expedited, order.account_key, now)}.")


def cancel(order_id: OrderIdArgument) -> None:
    """Stop polling an order and cancel it. The provider is not asked to cancel."""
    cancelled = cancel_order(open_context(), order_id, command_line_actor())
    typer.echo(f"Order {order_id} is cancelled." if cancelled else f"Order {order_id} was cancelled already.")


def redeliver(order_id: OrderIdArgument) -> None:
    """Send an order's latest event to its backend again. The retry schedule starts again."""
    message = notify.redeliver(open_context(), order_id, command_line_actor())
    typer.echo(f"Order {order_id}: event {message.event_id} will be sent to {message.host} again now.")
