"""`willcall inbox`."""

from typing import Annotated

import typer

from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.output.console import print_json_line, print_note, stdout_console, strip_control_characters
from willcall.cli.output.styles import plain_table
from willcall.orders.pushes import InvalidPush, OutcomePush, Push, TicketsPush
from willcall.orders.serialization import rfc3339
from willcall.stores.inbox import LIFETIME, StoredPush
from willcall.views.formatting import format_count, format_relative
from willcall.views.redaction import visible_reference


def inbox(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per push.")] = False,
) -> None:
    """List pushes whose order has not been submitted yet. Each is stored for a limited time."""
    stores = open_stores(open_config())
    pushes = list(stores.inbox.list_all())
    if not pushes:
        print_note("The inbox is empty.")
    elif as_json:
        for push in pushes:
            print_json_line(_push_to_json(push))
    else:
        _print_table(pushes, stores.accounts.now())


def _push_to_json(push: StoredPush) -> dict[str, object]:
    return {
        "account": push.account,
        "reference": push.reference,
        "type": push.kind,
        "content": _describe_content(push.push),
        "received_at": rfc3339(push.at),
        "stored_until": rfc3339(push.at + LIFETIME),
    }


def _print_table(pushes: list[StoredPush], now: float) -> None:
    table = plain_table()
    for title in ("account", "reference", "received", "stored until", "content"):
        table.add_column(title)
    for push in pushes:
        table.add_row(
            push.account,
            strip_control_characters(visible_reference(push.account.partition("/")[0], push.reference)),
            format_relative(push.at, now, 1),
            format_relative(push.at + LIFETIME, now, 1),
            f"{_describe_content(push.push)}\n{strip_control_characters(push.kind)}",
        )
    stdout_console().print(table)


def _describe_content(push: Push) -> str:
    match push:
        case TicketsPush(tickets):
            return format_count(len(tickets), "ticket")
        case OutcomePush(outcome):
            return outcome.reason
        case InvalidPush(detail):
            return f"invalid: {detail}"
    return "a change"
