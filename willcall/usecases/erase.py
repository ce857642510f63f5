"""Erase an order: forget it but for its id, times and outcomes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from willcall.orders.erasure import emptied_order
from willcall.orders.errors import ClosedOrderError
from willcall.orders.history import Action, Actor, timeline_entry
from willcall.orders.model import OPEN, Order
from willcall.orders.pushes import TicketsPush
from willcall.stores.erasure import EraseOutcome, Erasure
from willcall.stores.events import erased_event_text
from willcall.stores.letter_contents import submits
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)


def erase_order(context: Context, order_id: str, actor: Actor) -> None:
    """Forget a final order but for its id, times and outcomes. May be repeated.

    Raises UnknownOrderError, ClosedOrderError for an open order, and StorageError if its files could not be removed:
    everything else is forgotten then, and a sweep removes them.
    """
    while (order := get_order(context, order_id)).erased_at is None:
        if order.status in OPEN:
            raise ClosedOrderError(f"order {order_id} is {order.status}; cancel it before you erase it")
        if _erase(context, order, actor) is EraseOutcome.ERASED:
            log.info("order erased", order=order_id, account=order.account_key, by=actor.name)
            break
    _remove_dead_letters(context, order_id)
    context.documents.remove_erased(order_id)


def finish_erasure(context: Context, order_id: str) -> bool:
    """Remove what a worker may have stored of an order while it was erased. Raises StorageError."""
    _remove_dead_letters(context, order_id)
    context.documents.remove_erased(order_id, for_good=True)
    return True


def _erase(context: Context, order: Order, actor: Actor) -> EraseOutcome:
    stores = context.stores
    cursors = stores.erasure.event_cursors(order.id)
    events = stores.events.list_for_order(order.id)
    erasure = Erasure(
        order,
        entry=timeline_entry(Action.ERASED, actor, stores.accounts.now()),
        emptied={event.cursor: erased_event_text(event, emptied_order(event.data)) for event in events},
        spare=_spare_documents(context, order),
    )
    return stores.erasure.erase(erasure, cursors)


def _spare_documents(context: Context, order: Order) -> Mapping[str, str]:
    """Return the account's documents with the content of the order's, unless a push for another order needs them.

    The file of a push that arrived before its order was stored for the account first.
    """
    own, of_account = context.documents.of_owner(order.id), context.documents.of_owner(order.account_key)
    spare = {digest: of_account[digest] for digest in own if digest in of_account}
    return {digest: document for digest, document in spare.items() if document not in set(_pushed(context, order))}


def _pushed(context: Context, order: Order) -> "Iterator[str | None]":
    """Yield the documents of pushes that wait for other orders of the account."""
    for stored in context.stores.inbox.list_all():
        of_another = stored.account == order.account_key and stored.reference != order.reference
        if of_another and isinstance(stored.push, TicketsPush):
            yield from (ticket.document for ticket in stored.push.tickets)


def _remove_dead_letters(context: Context, order_id: str) -> None:
    """Remove the messages about an order that no task could process: its submission has its content."""
    for letter in context.stores.dead_letters.newest():
        if submits(letter.raw, order_id):
            context.stores.dead_letters.remove(letter.id)
