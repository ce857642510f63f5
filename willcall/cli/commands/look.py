"""`willcall look`."""

from typing import Annotated, Any

import typer

from willcall.cli.actor import command_line_actor
from willcall.cli.context import open_context
from willcall.cli.output.console import print_json, stdout_console, strip_control_characters
from willcall.cli.output.styles import plain_table
from willcall.orders.serialization import rfc3339
from willcall.schemas.operations import LookResult
from willcall.usecases import look as use_case
from willcall.views.formatting import format_count


def look(
    *,
    provider: Annotated[str, typer.Option(help="The provider where the order was bought.")],
    reference: Annotated[str, typer.Option(help="The provider's reference of the order.")],
    account: Annotated[str | None, typer.Option(help="The account at the provider.  [default: default]")] = None,
    quantity: Annotated[int | None, typer.Option(help="How many tickets were bought.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a provider says about a reference now, without an order. Nothing is stored and nobody is notified.

    It takes one request of the account. The exit code is 1 if none is allowed now.
    """
    fields = {"provider": provider, "reference": reference, "account": account, "quantity": quantity}
    payload: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    result = use_case.look_schema(use_case.look(open_context(), payload, command_line_actor()))
    if as_json:
        print_json(result.to_json())
    else:
        _print(result)


def _print(result: LookResult) -> None:
    expected = f" of {result.expected}" if result.expected else ""
    facts = {
        "outcome": result.outcome.replace("_", " "),
        "HTTP": str(result.http_status or "none"),
        "provider status": result.provider_status,
        "needs attention": result.attention,
        "detail": result.detail,
        "tickets": f"{format_count(len(result.tickets), 'ticket')}{expected}",
        "no request before": rfc3339(result.retry_at.timestamp()) if result.retry_at else None,
        "will be issued": rfc3339(result.issuing_at.timestamp()) if result.issuing_at else None,
    }
    table = plain_table()
    table.show_header = False
    for name, value in facts.items():
        if value:
            table.add_row(name, strip_control_characters(value))
    stdout_console().print(table)
