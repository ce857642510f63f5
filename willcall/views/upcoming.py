"""Open orders whose event is near: tonight, without tickets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from willcall.orders.model import Order
from willcall.stores.listing import OrderFilter
from willcall.stores.registry import Stores

#: An event within so many seconds is near.
SOON = 86_400.0


@dataclass(frozen=True, slots=True)
class UpcomingOrders:
    """Open orders whose event is near or has begun, the soonest first, and how many there are in all."""

    orders: Sequence[Order] = ()
    count: int = 0


def upcoming_filter(query: OrderFilter, now: float) -> OrderFilter:
    """Return a query for the open orders whose event is near or has begun."""
    return replace(query, open_only=True, event_before=now + SOON)


def upcoming_orders(stores: Stores, now: float, most: int) -> UpcomingOrders:
    """Return up to `most` open orders whose event is near or has begun."""
    page = stores.listing.page(upcoming_filter(OrderFilter(), now), most)
    if page.next_cursor is None:
        return UpcomingOrders(page.orders, len(page.orders))
    counted = stores.listing.events_ahead(stores.orders.accounts(), [now + SOON])
    return UpcomingOrders(page.orders, sum(before for before, _ in counted))
