"""Orders of which something is behind: their backends are not told yet, or their documents not stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from willcall.orders.addresses import web_address
from willcall.orders.callbacks import host_of
from willcall.orders.model import Order
from willcall.orders.ticket_documents import lacking
from willcall.stores.deliveries import DeliveryStore, Pending
from willcall.stores.fetches import FetchStore
from willcall.usecases.context import Stores


class Behind(StrEnum):
    """What is behind."""

    UNTOLD = "untold"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class OrderBehind:
    """An order, since when (epoch seconds) something of it is behind, and the hosts that it depends on."""

    order: Order
    since: float
    hosts: Sequence[str]


def orders_behind(stores: Stores, behind: Behind, count: int) -> list[OrderBehind]:
    """The `count` orders of which it has been behind for longest, oldest first."""
    entries = _store(stores, behind).oldest(count)
    orders = stores.orders.get_many([order_id for order_id, _ in entries])
    return [
        OrderBehind(order, since, _hosts(order, behind))
        for order, (_, since) in zip(orders, entries, strict=True)
        if order
    ]


def pending(stores: Stores, behind: Behind) -> Pending:
    """How many orders that is so of, and the oldest."""
    return _store(stores, behind).pending()


def _store(stores: Stores, behind: Behind) -> DeliveryStore | FetchStore:
    return stores.deliveries if behind is Behind.UNTOLD else stores.fetches


def _hosts(order: Order, behind: Behind) -> list[str]:
    if behind is Behind.UNTOLD:
        return [host_of(order.callback_url)] if order.callback_url else []
    return sorted({host for url in lacking(order.tickets) if (host := web_address(url))})
