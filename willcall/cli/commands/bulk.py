"""`willcall bulk`."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.order_filters import OrderOptions, with_order_options
from willcall.cli.output.console import print_json_line, print_note, strip_control_characters
from willcall.orders.errors import ClosedOrderError, NothingToDeliverError
from willcall.stores.listing import OrderFilter, OrderListing
from willcall.usecases.bulk import MOST_ORDERS, BulkAction, BulkOutcome, act_on_orders
from willcall.views.formatting import format_count
from willcall.views.order_export import pages_of

#: Orders between two lines about the progress.
_BATCH = 200
#: Reasons for leaving an order unchanged that are not failures.
_EXPECTED = (ClosedOrderError, NothingToDeliverError)


@with_order_options
def bulk(
    action: Annotated[BulkAction, typer.Argument(help="What to do with each order.")],
    order_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The orders' ids.")] = None,
    *,
    options: OrderOptions,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ORDERS, help="At most so many orders.")] = MOST_ORDERS,
    confirmed: Annotated[bool, typer.Option("--yes", help="Do it. Without --yes, only say how many orders.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per order.")] = False,
) -> None:
    """Poll, resume, redeliver, complete or cancel many orders. Give their ids, or the filters of `willcall orders`."""
    context = open_context()
    query = options.filter(context, context.stores)
    if (query != OrderFilter()) == bool(order_ids):
        raise typer.BadParameter("give either the IDs of orders, or at least one filter")
    if len(order_ids or ()) > MOST_ORDERS:
        raise typer.BadParameter(f"at most {MOST_ORDERS:,} orders at once")
    found = list(dict.fromkeys(order_ids or islice(_find(context.stores.listing, query), limit)))
    if not confirmed:
        print_note(f"{action.value} {format_count(len(found), 'order')}: nothing was done; add --yes to do it.")
        raise typer.Exit(1 if found else 0)
    outcomes: list[BulkOutcome] = []
    for first in range(0, len(found), _BATCH):
        outcomes += act_on_orders(context, action, found[first : first + _BATCH], command_line_actor())
        if len(found) > _BATCH:
            print_note(f"{len(outcomes):,} of {len(found):,}")
    _print(action, outcomes, as_json=as_json)
    if any(outcome.error and not isinstance(outcome.error, _EXPECTED) for outcome in outcomes):
        raise typer.Exit(1)


def _find(listing: OrderListing, query: OrderFilter) -> Iterator[str]:
    return (order.id for page in pages_of(listing, query) for order in page)


def _print(action: BulkAction, outcomes: list[BulkOutcome], *, as_json: bool) -> None:
    """Print each order that was left unchanged and a summary, or every order as a line of JSON."""
    if as_json:
        for outcome in outcomes:
            error = str(outcome.error) if outcome.error else None
            print_json_line({"id": outcome.order_id, "done": error is None, "error": error})
        return
    refused = [outcome for outcome in outcomes if outcome.error]
    for outcome in refused:
        typer.echo(strip_control_characters(f"{outcome.order_id}: {outcome.error}"))
    left = f"; {format_count(len(refused), 'order')} left as before" if refused else ""
    typer.echo(f"{action.value}: {format_count(len(outcomes) - len(refused), 'order')}{left}.")
