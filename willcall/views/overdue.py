"""Orders with an overdue poll, callback or documents, and alerts that operators have not received."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.orders.model import Order
from willcall.orders.ticket_documents import given_up_reasons, missing_document_urls
from willcall.orders.urls import web_host
from willcall.stores.deliveries import DeliveryAttempt
from willcall.stores.document_fetches import FetchProgress
from willcall.stores.listing import OrderFilter
from willcall.stores.registry import Stores


class OverdueKind(StrEnum):
    """What is overdue: the poll, the callback, or documents."""

    OVERDUE = "overdue"
    UNDELIVERED = "undelivered"
    DOCUMENTS = "documents"


@dataclass(frozen=True, slots=True)
class OverdueOrder:
    """An order with something overdue since a moment (epoch seconds), and the hosts that it depends on.

    An overdue poll depends on its account and names no host. `fetching`: why documents are missing and when they are
    fetched next. `given_up`: why they are no longer fetched. `last_answer`: what the last attempt to deliver the
    callback or to fetch the documents came to, if there was one.
    """

    order: Order
    since: float
    hosts: Sequence[str]
    fetching: FetchProgress | None = None
    given_up: str | None = None
    last_answer: str | None = None


@dataclass(frozen=True, slots=True)
class OverdueOrders:
    """The orders that have been overdue for longest, the worst first, and how many there are in all."""

    orders: Sequence[OverdueOrder]
    count: int


@dataclass(frozen=True, slots=True)
class PendingAlerts:
    """How many alerts operators have not received, and the subject of the oldest, since when (epoch seconds).

    `answer`: the result of the last attempt to deliver that one, if there was one. `late`: it has waited for too long.
    """

    count: int
    subject: str
    since: float
    late: bool
    answer: str | None

    @property
    def answered(self) -> str:
        """The last answer, as a clause."""
        return f"the last answer: {self.answer}" if self.answer else "not tried yet"


def pending_alerts(stores: Stores, now: float) -> PendingAlerts | None:
    """Return the alerts that operators have not received, or None if there are none."""
    pending = stores.ops_deliveries.pending()
    if pending.oldest_at is None or pending.oldest is None:
        return None
    late = pending.waited(now) >= CALLBACK_LATE_AFTER
    (attempts,) = stores.ops_deliveries.latest_attempts([pending.oldest], 1)
    return PendingAlerts(pending.count, pending.oldest, pending.oldest_at, late, _answer(attempts))


def overdue_orders(
    stores: Stores, kind: OverdueKind, most: int, grace: float, of: OrderFilter | None = None
) -> OverdueOrders:
    """Return up to `most` orders with this overdue.

    `grace`: a poll is overdue this many seconds after its time (`sweeps.grace`). `of`: the provider or account of the
    overdue polls.
    """
    if kind is OverdueKind.OVERDUE:
        count, entries = stores.listing.overdue(of or OrderFilter(), stores.accounts.now() - grace, most)
    elif kind is OverdueKind.UNDELIVERED:
        count, entries = stores.deliveries.pending().count, stores.deliveries.oldest(most)
    else:
        count, entries = _lacking_documents(stores, most)
    ids = [order_id for order_id, _ in entries]
    orders = stores.orders.get_many(ids)
    fetching = stores.fetches.progress(ids) if kind is OverdueKind.DOCUMENTS else [None] * len(ids)
    attempts = stores.deliveries.latest_attempts(ids, 1) if kind is OverdueKind.UNDELIVERED else [[]] * len(ids)
    found = []
    for order, (_, since), hosts, progress, made in zip(
        orders, entries, _hosts(stores, orders, ids, kind), fetching, attempts, strict=True
    ):
        if order:
            given_up = None if progress else _given_up(order, kind)
            answer = _answer(made) or (progress.why if progress else given_up)
            found.append(OverdueOrder(order, since, hosts, progress, given_up, answer))
    return OverdueOrders(found, count)


def _lacking_documents(stores: Stores, most: int) -> tuple[int, list[tuple[str, float]]]:
    """Count the orders that lack documents, and list `most`: first those still fetched, then those given up."""
    count = stores.fetches.pending().count + stores.fetches.given_up().count
    entries = dict(stores.fetches.oldest(most))
    for order_id, since in stores.fetches.oldest_given_up(most):
        entries.setdefault(order_id, since)
    return count, list(entries.items())[:most]


def _given_up(order: Order, kind: OverdueKind) -> str | None:
    return given_up_reasons(order.tickets) if kind is OverdueKind.DOCUMENTS else None


def _hosts(stores: Stores, orders: Sequence[Order | None], ids: Sequence[str], kind: OverdueKind) -> list[list[str]]:
    match kind:
        case OverdueKind.UNDELIVERED:
            return [[host] if host else [] for host in stores.deliveries.hosts(ids)]
        case OverdueKind.DOCUMENTS:
            return [_document_hosts(order) if order else [] for order in orders]
    return [[] for _ in orders]


def _document_hosts(order: Order) -> list[str]:
    return sorted({host for url in missing_document_urls(order.tickets) if (host := web_host(url))})


def _answer(made: Sequence[DeliveryAttempt]) -> str | None:
    """Return what a backend or an operator's server answered to the last attempt, or why it did not."""
    if not made:
        return None
    return f"HTTP {made[0].http_status}" if made[0].http_status else made[0].why
