"""`willcall accounts`."""

from collections.abc import Mapping
from itertools import starmap
from typing import Annotated

import typer

from tasks.queues import poll_queue
from willcall.cli.bootstrap import note_missing_accounts, open_config, open_stores
from willcall.cli.output.accounts_table import (
    AccountRow,
    accounts_table,
    add_unconfigured,
    row_to_json,
    unconfigured_to_json,
)
from willcall.cli.output.console import print_json_line, stdout_console
from willcall.config import Config
from willcall.stores.connection import connect
from willcall.stores.redis_address import is_redis
from willcall.views.accounts import unconfigured_accounts, view_account
from workers.transport.delayed import DelayedStats, delayed_stats


def list_accounts(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per account.")] = False
) -> None:
    """List accounts: health, tokens and orders. Shows scheduled messages too."""
    config = open_config()
    note_missing_accounts(config.accounts)
    stores = open_stores(config)
    now, delayed = stores.accounts.now(), _delayed_messages(config)
    rows = [
        AccountRow(view_account(stores, account, now), delayed.get(poll_queue(key)))
        for key, account in sorted(config.accounts.items())
    ]
    keys = list(unconfigured_accounts(stores, config.accounts))
    unconfigured = dict(zip(keys, stores.listing.summaries(keys, now), strict=True))
    if as_json:
        for document in [*map(row_to_json, rows), *starmap(unconfigured_to_json, unconfigured.items())]:
            print_json_line(document)
    elif rows or unconfigured:
        console = stdout_console()
        table = accounts_table(rows, now, console.width, beat=bool(stores.processes.running("beat")))
        for key, summary in unconfigured.items():
            add_unconfigured(table, key, summary)
        console.print(table)


def _delayed_messages(config: Config) -> Mapping[str, DelayedStats]:
    """Return the scheduled messages of each queue; empty on a broker that cannot list them."""
    if not is_redis(config.broker_url):
        return {}
    with connect(config.broker_url) as broker:
        return delayed_stats(broker, sorted({poll_queue(key) for key in config.accounts}))
