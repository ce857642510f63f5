"""`willcall submit`."""

from datetime import datetime
from typing import Annotated, Any

import typer

from willcall.cli.bootstrap import note_missing_accounts
from willcall.cli.context import open_context
from willcall.cli.output.console import print_json, print_note
from willcall.cli.parameters import parse_time
from willcall.orders.model import DeliverySpeed
from willcall.orders.serialization import order_to_json
from willcall.usecases import submit as use_case
from willcall.usecases.orders import get_order
from willcall.views.promises import describe_first_poll, read_conditions


def submit(
    *,
    provider: Annotated[str, typer.Option(help="The provider where the order was bought.")],
    reference: Annotated[str, typer.Option(help="The provider's reference of the order.")],
    order_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Your own id of the order.  [default: a new one]")
    ] = None,
    account: Annotated[str | None, typer.Option(help="The account at the provider.  [default: default]")] = None,
    quantity: Annotated[int | None, typer.Option(help="How many tickets were bought.")] = None,
    not_before: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="Do not poll before (ISO 8601 with a time zone)."),
    ] = None,
    bought_at: Annotated[
        datetime | None,
        typer.Option(parser=parse_time, metavar="TIME", help="When it was bought.  [default: a day ago]"),
    ] = None,
    event_at: Annotated[
        datetime | None, typer.Option(parser=parse_time, metavar="TIME", help="When the customer goes in.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Your name for orders that are usually issued together, such as a performance.")
    ] = None,
    delivery: Annotated[DeliverySpeed | None, typer.Option(help="delayed: issuing is known to take long.")] = None,
    callback_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to send events about the order.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of the tickets, such as en.")] = None,
    meta: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Stored with the order; may be repeated.")
    ] = None,
    client: Annotated[str | None, typer.Option(metavar="NAME", help="The backend that the order belongs to.")] = None,
    allow_duplicate: Annotated[
        bool, typer.Option("--allow-duplicate", help="Another open order may have the same reference.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Submit one order. Submitting the same order again changes nothing."""
    fields: dict[str, Any] = {
        "provider": provider,
        "reference": reference,
        "id": order_id,
        "account": account,
        "quantity": quantity,
        "not_before": not_before,
        "bought_at": bought_at,
        "event_at": event_at,
        "group": group,
        "delivery": delivery,
        "callback_url": callback_url,
        "language": language,
        "metadata": _parse_metadata(meta) if meta else None,
        "client": client,
        "allow_duplicate": allow_duplicate or None,
    }
    context = open_context()
    note_missing_accounts(context.accounts)
    result = use_case.submit(context, {name: value for name, value in fields.items() if value is not None})
    order = get_order(context, result.order_id)
    if as_json:
        print_json(order_to_json(order))
    elif result.new:
        first = describe_first_poll(order, read_conditions(context.stores, context.accounts, order.account_key))
        typer.echo(f"Order {order.id} accepted; {first}.")
        print_note(f"Follow it with: willcall order {order.id} --watch")
    else:
        typer.echo(f"Order {order.id} was submitted before with the same content; it is {order.status}.")


def _parse_metadata(pairs: list[str]) -> dict[str, str]:
    metadata = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not name or not separator:
            raise typer.BadParameter("must be name=value", param_hint="--meta")
        metadata[name] = value
    return metadata
