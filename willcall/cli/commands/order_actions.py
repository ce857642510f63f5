"""`willcall poll`, `willcall cancel` and `willcall redeliver`."""

from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_note
from willcall.cli.parameters import OrderIdArgument, parse_since
from willcall.usecases import notify
from willcall.usecases.erase import erase_order
from willcall.usecases.orders import cancel_order, get_order, request_poll
from willcall.usecases.redeliveries import Redelivery, redeliver_many
from willcall.views.formatting import format_count
from willcall.views.promises import describe_expedited_poll, read_conditions

#: Seconds between two lines about the progress.
_PROGRESS_EVERY = 2.0


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
    conditions = read_conditions(context.stores, context.accounts, get_order(context, order_id).account_key)
    when = describe_expedited_poll(expedited, conditions, override=ignore_hint)
    typer.echo(f"Order {order_id} {when}.")


def cancel(order_id: OrderIdArgument) -> None:
    """Stop polling an order and cancel it. The provider is not asked to cancel."""
    cancelled = cancel_order(open_context(), order_id, command_line_actor())
    typer.echo(f"Order {order_id} is cancelled." if cancelled else f"Order {order_id} was cancelled already.")


def erase(order_id: OrderIdArgument) -> None:
    """Forget a final order but for its id, times and outcomes. This cannot be undone."""
    erase_order(open_context(), order_id, command_line_actor())
    typer.echo(f"Order {order_id} is erased. Its id, times and outcomes stay.")


def redeliver(
    order_id: Annotated[str | None, typer.Argument(metavar="ID", help="The order's id.")] = None,
    *,
    since: Annotated[
        float | None,
        typer.Option(parser=parse_since, metavar="SINCE", help="All orders with an event since: 2h, or a time."),
    ] = None,
    undelivered: Annotated[
        bool, typer.Option("--undelivered", help="All orders whose latest event was not delivered yet.")
    ] = False,
) -> None:
    """Send the latest event of an order, or of many, to the backend again. The retry schedule starts again."""
    many = since is not None or undelivered
    if many == (order_id is not None):
        raise typer.BadParameter("give either the ID of an order, or --since, --undelivered or both")
    if order_id is None:
        _redeliver_many(Redelivery(since, undelivered))
        return
    message = notify.redeliver(open_context(), order_id, command_line_actor())
    typer.echo(f"Order {order_id}: event {message.event_id} will be sent to {message.host} again now.")


def _redeliver_many(wanted: Redelivery) -> None:
    context, actor = open_context(), command_line_actor()
    redelivered = skipped = 0
    cursor = None
    while True:
        result = redeliver_many(context, wanted, actor, cursor, _PROGRESS_EVERY)
        redelivered, skipped, cursor = redelivered + result.redelivered, skipped + result.skipped, result.next_cursor
        if cursor is None:
            break
        print_note(f"{redelivered:,} so far")
    passed_over = f"; {format_count(skipped, 'order')} without an event or an address" if skipped else ""
    typer.echo(f"{format_count(redelivered, 'event')} will be sent again{passed_over}.")
