"""The command that tells a backend once more."""
# ruff: noqa: PLC0415 - see cli.session

import typer

from willcall.cli.bootstrap import open_context
from willcall.cli.commands.orders import OrderIdArgument


def redeliver(order_id: OrderIdArgument) -> None:
    """Tell the backend of an order's latest event again, from now on by the whole schedule."""
    from willcall.usecases.notify import redeliver as redeliver_event

    notice = redeliver_event(open_context(), order_id)
    typer.echo(f"Order {order_id}: event {notice.event_id} goes to {notice.host} again, now.")
