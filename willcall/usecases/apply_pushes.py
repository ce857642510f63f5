"""Apply a push to its order, immediately or when the order is submitted later."""

from dataclasses import replace

import structlog

from willcall.orders.model import Attempt
from willcall.orders.pushes import InvalidPush, OrderProgress, Push, PushResult, TicketsPush, evaluate_push
from willcall.orders.ticket_documents import TicketFile, attach_file
from willcall.providers.base import Account
from willcall.stores.documents import UnknownDocumentError
from willcall.stores.schedule import Requester
from willcall.usecases.context import Context
from willcall.usecases.documents import FIRST_WAIT
from willcall.usecases.orders import expedite_poll, get_unerased_order
from willcall.usecases.settle import settle_push

log = structlog.get_logger(__name__)


def apply_push(
    context: Context, account: Account, order_id: str, kind: str, push: Push, *, replied: bool = True
) -> OrderProgress:
    """Apply a push to an order. Idempotent, and safe while other steps change the order.

    `replied`: our response to it says how the order is now; to one from the inbox it said less.

    Raises UnknownOrderError and ErasedOrderError. After StorageError and StoreError it has to be repeated.
    """
    push = _owned(context, order_id, push)
    while True:
        order = get_unerased_order(context, order_id)
        now = context.stores.accounts.now()
        result = evaluate_push(order, push, now)
        entry = _timeline_entry(result, kind, now)
        if not result.changed or settle_push(context, order, result.order, entry, FIRST_WAIT, replied=replied):
            break
    if isinstance(push, InvalidPush) or not result.progress.stored:
        log.warning("unusable push", order=order_id, account=account.key, kind=kind, why=result.progress.why)
    if result.poll_needed:
        expedite_poll(context, account, order_id, Requester.PROVIDER)
    return result.progress


def mark_applied(context: Context, account: Account, digest: str, order_id: str) -> None:
    """Remember that a push was applied, as long as the order may be stored.

    Applying it again would undo later pushes, such as a corrected file for the same seat.
    """
    event_at, now = context.stores.orders.event_at(order_id), context.stores.accounts.now()
    retention = max(context.settings.retention.orders, account.retention or 0.0)
    lifetime = retention + max(0.0, (event_at or now) - now)
    context.stores.inbox.mark_applied(account.key, digest, order_id, lifetime)


def apply_inbox(context: Context, account: Account, order_id: str, reference: str) -> int:
    """Apply the pushes that arrived before their order, oldest first. Returns how many.

    They leave the inbox only afterwards, so that an interruption loses none.
    """
    pushes = context.stores.inbox.list_for(account.key, reference)
    for stored in pushes:
        progress = apply_push(context, account, order_id, stored.kind, stored.push, replied=False)
        if progress.stored:
            mark_applied(context, account, stored.digest, order_id)
    if pushes:
        context.stores.inbox.remove_pushes(pushes)
        log.info("pushes applied", order=order_id, account=account.key, pushes=len(pushes))
    return len(pushes)


def apply_inbox_if_submitted(context: Context, account_key: str, reference: str) -> int:
    """Apply the inbox of a reference if its order has been submitted. Returns how many pushes were applied.

    For orders whose process died after submitting them. Raises what `apply_push` does.
    """
    account = context.accounts.get(account_key)
    orders = context.stores.orders.find_by_reference(account.key, reference) if account else []
    return apply_inbox(context, account, orders[0], reference) if account and orders else 0


def _owned(context: Context, order_id: str, push: Push) -> Push:
    """Return the push with its documents stored as the order's."""
    if not isinstance(push, TicketsPush):
        return push
    try:
        tickets = [
            attach_file(ticket, _file_of(context, order_id, ticket.document)) if ticket.document else ticket
            for ticket in push.tickets
        ]
    except UnknownDocumentError:
        return InvalidPush("its file is no longer stored")
    return replace(push, tickets=tuple(tickets))


def _file_of(context: Context, order_id: str, document_id: str) -> TicketFile:
    document = context.documents.get(document_id)
    if document and document.owner == order_id:
        return document.ticket_file
    with context.documents.open(document_id) as file:
        return context.documents.put(file.read(), order_id).ticket_file


def _timeline_entry(result: PushResult, kind: str, now: float) -> Attempt:
    """Return the timeline entry of a push. It is no request, so it has no HTTP status and no countdown."""
    return Attempt(now, result.outcome, None, None, f"{kind}: {result.progress.why}")
