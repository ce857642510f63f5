"""Orders of which something is behind: themselves, the telling of their backends, or the storing of their documents.

And operators who are not told yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.orders.model import Order
from willcall.orders.ticket_documents import given_up_reasons, missing_document_urls
from willcall.orders.urls import callback_host, web_host
from willcall.stores.document_fetches import FetchProgress
from willcall.stores.listing import OrderQuery
from willcall.stores.registry import Stores


class OverdueKind(StrEnum):
    """What is behind."""

    OVERDUE = "overdue"
    UNTOLD = "untold"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class OverdueOrder:
    """An order, since when (epoch seconds) something of it is behind, and the hosts that it depends on.

    One that is overdue depends on its account, and names no host. `fetching`: of documents, why they are missing and
    when they are fetched next. `given_up`: why they are not fetched any more.
    """

    order: Order
    since: float
    hosts: Sequence[str]
    fetching: FetchProgress | None = None
    given_up: str | None = None


@dataclass(frozen=True, slots=True)
class OverdueOrders:
    """Those that have been behind for longest, the worst first, and how many there are at all."""

    orders: Sequence[OverdueOrder]
    count: int


@dataclass(frozen=True, slots=True)
class PendingAlerts:
    """Events that operators are still to be told of: how many, and the subject of the oldest, since when (epoch s).

    `answer` is what came of the last try to tell of that one, None where there was none yet. `late`: so old that
    somebody should look.
    """

    count: int
    subject: str
    since: float
    late: bool
    answer: str | None

    @property
    def answered(self) -> str:
        """The last answer as a clause."""
        return f"the last answer: {self.answer}" if self.answer else "not tried yet"


def pending_alerts(stores: Stores, now: float) -> PendingAlerts | None:
    """What operators are still to be told of, None where there is nothing; the rule is that for backends."""
    pending = stores.ops_deliveries.pending()
    if pending.oldest_at is None or pending.oldest is None:
        return None
    late = pending.waited(now) >= CALLBACK_LATE_AFTER
    return PendingAlerts(pending.count, pending.oldest, pending.oldest_at, late, _last_answer(stores, pending.oldest))


def overdue_orders(
    stores: Stores, behind: OverdueKind, most: int, grace: float, of: OrderQuery | None = None
) -> OverdueOrders:
    """Up to `most` orders of which it is behind.

    `grace`: seconds after its time from which an order is overdue (`sweeps.grace`). `of`: of those that are overdue, at
    which provider or account.
    """
    if behind is OverdueKind.OVERDUE:
        count, entries = stores.listing.overdue(of or OrderQuery(), stores.accounts.now() - grace, most)
    elif behind is OverdueKind.UNTOLD:
        count, entries = stores.deliveries.pending().count, stores.deliveries.oldest(most)
    else:
        count, entries = _lacking_documents(stores, most)
    ids = [order_id for order_id, _ in entries]
    orders = stores.orders.get_many(ids)
    fetching = stores.fetches.progress(ids) if behind is OverdueKind.DOCUMENTS else [None] * len(ids)
    found = [
        OverdueOrder(order, since, _hosts(order, behind), standing, None if standing else _given_up(order, behind))
        for order, (_, since), standing in zip(orders, entries, fetching, strict=True)
        if order
    ]
    return OverdueOrders(found, count)


def _lacking_documents(stores: Stores, most: int) -> tuple[int, list[tuple[str, float]]]:
    """Count the orders that lack documents, and list `most`: first those still fetched, then those given up."""
    count = stores.fetches.pending().count + stores.fetches.given_up().count
    entries = dict(stores.fetches.oldest(most))
    for order_id, since in stores.fetches.oldest_given_up(most):
        entries.setdefault(order_id, since)
    return count, list(entries.items())[:most]


def _given_up(order: Order, behind: OverdueKind) -> str | None:
    return given_up_reasons(order.tickets) if behind is OverdueKind.DOCUMENTS else None


def _hosts(order: Order, behind: OverdueKind) -> list[str]:
    match behind:
        case OverdueKind.UNTOLD:
            return [callback_host(order.callback_url)] if order.callback_url else []
        case OverdueKind.DOCUMENTS:
            return sorted({host for url in missing_document_urls(order.tickets) if (host := web_host(url))})
    return []


def _last_answer(stores: Stores, subject: str) -> str | None:
    """What came of the last try to tell operators of the subject's latest event."""
    delivery, tries = stores.ops_deliveries.get(subject), stores.ops_deliveries.attempts(subject)
    if not delivery or not tries or tries[-1].event_id != delivery.event_id:
        return None
    made = tries[-1]
    return f"HTTP {made.http_status}" if made.http_status else made.why
