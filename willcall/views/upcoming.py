"""Open orders whose event is near: tonight, without tickets."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from willcall.orders.model import Order
from willcall.stores.listing import ListingPage, OrderFilter
from willcall.stores.registry import Stores

#: An event within so many seconds is near.
SOON = 86_400.0
#: Most orders that are read to see whether they are at risk.
_MOST_READ = 200


@dataclass(frozen=True, slots=True)
class UpcomingOrders:
    """Open orders whose event is near or has begun, the soonest first, and how many there are in all."""

    orders: Sequence[Order] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class OrdersAtRisk:
    """Open orders at risk, among those whose events are the soonest.

    `events`: by account, when the event of each is, the soonest first (epoch seconds).
    """

    events: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def by_account(self) -> dict[str, int]:
        """Number of orders by account."""
        return {account: len(events) for account, events in self.events.items()}

    @property
    def count(self) -> int:
        return sum(map(len, self.events.values()))

    @property
    def first_event_at(self) -> float | None:
        """When the soonest event is."""
        return min((events[0] for events in self.events.values()), default=None)

    def of(self, account: str) -> "OrdersAtRisk":
        """Return those of one account."""
        return OrdersAtRisk({key: events for key, events in self.events.items() if key == account})

    def without(self, accounts: Collection[str]) -> "OrdersAtRisk":
        """Return those of all other accounts."""
        return OrdersAtRisk({key: events for key, events in self.events.items() if key not in accounts})


def upcoming_filter(query: OrderFilter, now: float) -> OrderFilter:
    """Return a query for the open orders whose event is near or has begun."""
    return replace(query, open_only=True, event_before=now + SOON)


def upcoming_orders(stores: Stores, now: float, most: int) -> tuple[UpcomingOrders, OrdersAtRisk]:
    """Return up to `most` open orders whose event is near or has begun, and which of all such orders are at risk."""
    page = _read_upcoming(stores, now)
    count = len(page.orders)
    if page.next_cursor is not None:
        counted = stores.listing.events_ahead(stores.orders.accounts(), [now + SOON])
        count = sum(before for before, _ in counted)
    return UpcomingOrders(page.orders[:most], count), _at_risk(page.orders)


def orders_at_risk(stores: Stores, now: float) -> OrdersAtRisk:
    """Return the open orders that are at risk."""
    return _at_risk(_read_upcoming(stores, now).orders)


def _read_upcoming(stores: Stores, now: float) -> ListingPage:
    return stores.listing.page(upcoming_filter(OrderFilter(), now), _MOST_READ)


def _at_risk(orders: Sequence[Order]) -> OrdersAtRisk:
    events: dict[str, list[float]] = defaultdict(list)
    for order in orders:
        if order.at_risk and order.event_at is not None:
            events[order.account_key].append(order.event_at)
    return OrdersAtRisk(events)
