"""`willcall history`."""

from typing import Annotated

import typer

from willcall.cli.bootstrap import open_config, open_stores
from willcall.cli.output.console import print_json_line, print_note, stdout_console, strip_control_characters
from willcall.cli.output.styles import plain_table
from willcall.views.formatting import format_timestamp
from willcall.views.history import describe_action, history_schema


def history(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per action.")] = False,
) -> None:
    """Show who did what with accounts and with Willcall itself.

    The newest comes first. What was done with an order is in its timeline: `willcall order ID`.
    """
    config = open_config()
    entries = open_stores(config).history.newest(sorted(config.accounts))
    if as_json:
        for entry in entries:
            print_json_line(history_schema(entry).to_json())
        return
    if not entries:
        print_note("Nothing was done by hand yet.")
        return
    table = plain_table()
    for title in ("when", "who", "what", "account", "detail"):
        table.add_column(title)
    for entry in entries:
        words = (entry.by, describe_action(entry.action), entry.account or "", entry.detail)
        table.add_row(format_timestamp(entry.at), *map(strip_control_characters, words))
    stdout_console().print(table)
