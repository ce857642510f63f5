"""`willcall bulk`."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.order_filters import (
    AccountOption,
    AttentionOption,
    ClientOption,
    EventAfterOption,
    EventBeforeOption,
    GroupOption,
    HostOption,
    MetadataOption,
    OpenOption,
    ProviderOption,
    StatusOption,
    SubmittedAfterOption,
    SubmittedBeforeOption,
    TextOption,
    UpdatedSinceOption,
    read_filter,
)
from willcall.cli.output.console import print_json_line, print_note, strip_control_characters
from willcall.orders.errors import ClosedOrderError, NothingToDeliverError
from willcall.stores.listing import OrderFilter
from willcall.stores.registry import Stores
from willcall.usecases.bulk import MOST_ORDERS, BulkAction, BulkOutcome, act_on_orders
from willcall.views.formatting import format_count

#: Orders after which a line says how far it is.
_BATCH = 200
#: Why an order is left as it is without anything being wrong.
_EXPECTED = (ClosedOrderError, NothingToDeliverError)


def bulk(
    action: Annotated[BulkAction, typer.Argument(help="What to do with each order.")],
    order_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The orders' ids.")] = None,
    *,
    status: StatusOption = None,
    provider: ProviderOption = None,
    account: AccountOption = None,
    client: ClientOption = None,
    attention: AttentionOption = False,
    event_before: EventBeforeOption = None,
    event_after: EventAfterOption = None,
    updated_since: UpdatedSinceOption = None,
    submitted_after: SubmittedAfterOption = None,
    submitted_before: SubmittedBeforeOption = None,
    group: GroupOption = None,
    text: TextOption = None,
    metadata: MetadataOption = None,
    host: HostOption = None,
    open_only: OpenOption = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST_ORDERS, help="At most so many orders.")] = MOST_ORDERS,
    confirmed: Annotated[bool, typer.Option("--yes", help="Do it. Without --yes, only say how many orders.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per order.")] = False,
) -> None:
    """Poll, resume, redeliver, complete or cancel many orders. Give their ids, or filters as of `willcall orders`."""
    given = dict(locals())
    context = open_context()
    query = read_filter(context, context.stores, given)
    if (query != OrderFilter()) == bool(order_ids):
        raise typer.BadParameter("give either the IDs of orders, or at least one filter")
    if len(order_ids or ()) > MOST_ORDERS:
        raise typer.BadParameter(f"at most {MOST_ORDERS:,} orders at once")
    found = list(dict.fromkeys(order_ids or islice(_ids(context.stores, query, limit), limit)))
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


def _ids(stores: Stores, query: OrderFilter, limit: int) -> Iterator[str]:
    cursor, more = None, True
    while more:
        page = stores.listing.page(query, limit, cursor)
        yield from (order.id for order in page.orders)
        cursor, more = page.next_cursor, page.next_cursor is not None


def _print(action: BulkAction, outcomes: list[BulkOutcome], *, as_json: bool) -> None:
    """Print a line per order, or one about those that it was done with and one about each of the others."""
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
