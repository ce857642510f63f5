"""Record who did what."""

from willcall.orders.history import Action, Actor, HistoryEntry, timeline_entry
from willcall.usecases.context import Context


def record_order_action(context: Context, order_id: str, action: Action, actor: Actor, detail: str = "") -> None:
    """Append an action to an order's timeline, if the order exists.

    For actions that change nothing in the order itself. Those that do write the entry with their commit.
    """
    now = context.stores.accounts.now()
    context.stores.history.append_to_order(order_id, timeline_entry(action, actor, now, detail))


def record_action(
    context: Context, action: Action, actor: Actor, detail: str = "", *, account: str | None = None
) -> None:
    """Append an action to the history of an account, or of the installation."""
    now = context.stores.accounts.now()
    context.stores.history.append(HistoryEntry(now, action.value, actor.name, detail, account))
