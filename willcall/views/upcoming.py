"""Open orders whose event is near: tonight, without tickets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from willcall.orders.model import Order
from willcall.stores.listing import OrderFilter
from willcall.stores.registry import Stores

#: An event within so many seconds is near.
SOON = 86_400.0
#: Orders that are looked at for whether they are at risk.
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class UpcomingOrders:
    """Open orders whose event is near or has begun, the soonest first, and how many there are in all."""

    orders: Sequence[Order] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class OrdersAtRisk:
    """Open orders at risk by account, among the `LOOKED_AT` whose events are the soonest.

    `first_event_at`: when the soonest of them is, epoch seconds.
    """

    by_account: Mapping[str, int] = field(default_factory=dict)
    first_event_at: float | None = None

    @property
    def count(self) -> int:
        return sum(self.by_account.values())


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


def orders_at_risk(stores: Stores, now: float) -> OrdersAtRisk:
    """Return the open orders that are at risk."""
    page = stores.listing.page(upcoming_filter(OrderFilter(), now), LOOKED_AT)
    found = [order for order in page.orders if order.at_risk]
    by_account = Counter(order.account_key for order in found)
    return OrdersAtRisk(by_account, min((order.event_at for order in found if order.event_at), default=None))
