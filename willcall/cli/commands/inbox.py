"""The command that shows what providers pushed about orders that nobody has submitted yet."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING, Annotated

import typer

from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.output.console import print_json_line, print_note, stdout_console, strip_control_characters
from willcall.orders.pushes import InvalidPush, OutcomePush, Push, TicketsPush
from willcall.orders.serialization import rfc3339
from willcall.views.formatting import format_count, format_relative

if TYPE_CHECKING:
    from willcall.stores.inbox import StoredPush


def inbox(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per push.")] = False,
) -> None:
    """List what providers pushed ahead of its order, and until when it is kept."""
    from willcall.stores.inbox import KEPT_FOR

    stores = open_stores(open_config())
    waiting = list(stores.inbox.list_all())
    if not waiting:
        print_note("Nothing waits for its order.")
    elif as_json:
        for kept in waiting:
            print_json_line(_document(kept, KEPT_FOR))
    else:
        _show(waiting, stores.accounts.now(), KEPT_FOR)


def _document(kept: "StoredPush", kept_for: float) -> dict[str, object]:
    return {
        "account": kept.account,
        "reference": kept.reference,
        "type": kept.kind,
        "holds": _holds(kept.push),
        "received_at": rfc3339(kept.at),
        "kept_until": rfc3339(kept.at + kept_for),
    }


def _show(waiting: "list[StoredPush]", now: float, kept_for: float) -> None:
    from willcall.cli.output.styles import bare_table

    table = bare_table()
    for title in ("account", "reference", "received", "kept until", "holds"):
        table.add_column(title, overflow="fold")
    for kept in waiting:
        times = (format_relative(kept.at, now, 1), format_relative(kept.at + kept_for, now, 1))
        table.add_row(
            kept.account,
            strip_control_characters(kept.reference),
            *times,
            f"{_holds(kept.push)}\n{strip_control_characters(kept.kind)}",
        )
    stdout_console().print(table)


def _holds(push: Push) -> str:
    match push:
        case TicketsPush(tickets):
            return format_count(len(tickets), "ticket")
        case OutcomePush(outcome):
            return outcome.reason
        case InvalidPush(detail):
            return f"nothing of use: {detail}"
    return "a change"
