"""Orders that reach their deadline while their account is parked or paused expire too."""

from willcall.usecases.context import Context
from willcall.usecases.control import BATCH
from willcall.usecases.settle import settle_expired


def expire(context: Context) -> dict[str, int]:
    """Expire held orders past their deadline. Returns how many."""
    expired = 0
    orders = context.stores.orders
    for account in orders.accounts():
        now = context.stores.accounts.now()
        while late := orders.held_past_deadline(account, now, BATCH):
            for order_id, order in zip(late, orders.get_many(late), strict=True):
                if order is None:
                    orders.drop_held(account, order_id)
                else:
                    expired += settle_expired(context, order, now)
    return {"expired": expired}
