"""A provider's webhook: verify, store, apply, and only then answer."""

from collections.abc import Sequence

import structlog

from willcall.orders.errors import ErasedOrderError, UnknownOrderError
from willcall.orders.outcomes import Malformed
from willcall.orders.pushes import (
    ChangePush,
    InvalidPush,
    OrderProgress,
    Push,
    TicketsPush,
    progress_before_order,
    progress_of,
)
from willcall.orders.ticket_documents import attach_file
from willcall.orders.ticket_identity import mark_pushed
from willcall.providers.base import Account
from willcall.providers.pushes import IgnoredPush, ParsedPush, Pushes, PushRequest, PushResponse, UnreadablePush
from willcall.stores.documents import UnsupportedFileError
from willcall.stores.inbox import ErasedReferenceError, StoredPush, push_digest
from willcall.stores.rejected_webhooks import RejectionReason
from willcall.usecases.apply_pushes import apply_push, mark_applied
from willcall.usecases.context import Context
from willcall.usecases.failures import UnexpectedError, guarded
from willcall.usecases.ports import Operation

log = structlog.get_logger(__name__)

_NOTHING = OrderProgress(stored=False)
_ERASED = OrderProgress(stored=False, why="the order was erased")


def ingest_webhook(context: Context, account: Account, pushes: Pushes, call: PushRequest) -> PushResponse:
    """Process one webhook of an account, and return the answer in its provider's own form.

    Raises StoreError and StorageError if it cannot be stored now, and UnexpectedError if a bug prevents reading it.
    Then nothing of it counts, and the provider has to call again.
    """
    reading = guarded(
        context, Operation.WEBHOOK, lambda: pushes.read_push(call, account.credentials), account=account.key
    )
    if isinstance(reading, Malformed):
        raise UnexpectedError(reading.detail)
    if not isinstance(reading, ParsedPush | IgnoredPush):
        reason, why = RejectionReason.SIGNATURE, RejectionReason.SIGNATURE.text
        if isinstance(reading, UnreadablePush):
            reason, why = RejectionReason.UNREADABLE, reading.detail
        log.warning("webhook rejected", account=account.key, why=why)
        context.stores.rejected_webhooks.record(account.key, reason)
        return pushes.answer_push(reading, _NOTHING, account.credentials)
    context.stores.rejected_webhooks.clear(account.key)
    if isinstance(reading, IgnoredPush):
        log.info("webhook ignored", account=account.key, why=reading.detail)
        return pushes.answer_push(reading, _NOTHING, account.credentials)
    if isinstance(reading.push, ChangePush):
        return pushes.answer_push(reading, _follow_hint(context, account, reading), account.credentials)
    digest = push_digest(account.key, call.body)
    progress = _repeated(context, account, reading, digest)
    if progress is None:
        progress, order_id = _store(context, account, reading, digest)
        log.info("webhook received", account=account.key, kind=reading.kind, order=order_id, stored=progress.stored)
        if order_id and progress.stored:
            mark_applied(context, account, digest, order_id)
    return pushes.answer_push(reading, progress, account.credentials)


def _repeated(context: Context, account: Account, reading: ParsedPush, digest: str) -> OrderProgress | None:
    """Return the progress of the order that this push was applied to before, or None if it was not applied yet."""
    order_id = context.stores.inbox.applied_to(account.key, digest)
    if order_id is None or [order_id] != context.stores.orders.find_by_reference(account.key, reading.reference)[:1]:
        return None
    order = context.stores.orders.get(order_id)
    if order is None:
        return None
    log.info("webhook repeated", account=account.key, kind=reading.kind, order=order_id)
    return progress_of(order)


def _follow_hint(context: Context, account: Account, reading: ParsedPush) -> OrderProgress:
    """Poll the order that a hint is about. Hints are not stored: a later order is polled immediately anyway."""
    orders = context.stores.orders.find_by_reference(account.key, reading.reference)
    log.info("webhook received", account=account.key, kind=reading.kind, order=next(iter(orders), None))
    return (
        _apply(context, account, reading.kind, reading.push, orders) if orders else progress_before_order(reading.push)
    )


def _store(context: Context, account: Account, reading: ParsedPush, digest: str) -> tuple[OrderProgress, str | None]:
    """Store a push's documents and apply it, or store it in the inbox if there is no order yet.

    Returns the order's progress, and its id if there is one.
    """
    orders = context.stores.orders.find_by_reference(account.key, reading.reference)
    erasure = context.stores.erasure
    if not orders and erasure.is_erased(account.key, reading.reference):
        return _ERASED, None
    push = _store_files(context, account, reading, next(iter(orders), account.key))
    if not orders:
        now = context.stores.accounts.now()
        stored = StoredPush(account.key, reading.reference, digest, reading.kind, now, push)
        marks = erasure.marks(account.key, [reading.reference])
        try:
            submitted = context.stores.inbox.store_push(stored, *marks)
        except ErasedReferenceError:
            return _ERASED, None
        orders = [submitted] if submitted else []
    if not orders:
        return progress_before_order(push), None
    known = context.stores.inbox.applied_to(account.key, digest)
    new_to = [order_id for order_id in orders if order_id != known] or orders
    return _apply(context, account, reading.kind, push, new_to), orders[0]


def _apply(context: Context, account: Account, kind: str, push: Push, orders: Sequence[str]) -> OrderProgress:
    """Apply a push to all orders of its reference. Returns the progress of the first that took it."""
    made = [_apply_to(context, account, kind, push, order_id) for order_id in orders]
    return next((progress for progress in made if progress.stored), made[0])


def _apply_to(context: Context, account: Account, kind: str, push: Push, order_id: str) -> OrderProgress:
    try:
        return apply_push(context, account, order_id, kind, push)
    except ErasedOrderError:
        return _ERASED
    except UnknownOrderError:
        return OrderProgress(stored=False, why="the order is no longer stored")


def _store_files(context: Context, account: Account, reading: ParsedPush, owner: str) -> Push:
    """Return the push with its files in the document store and only their ids in its tickets."""
    push = reading.push
    if not isinstance(push, TicketsPush):
        return push
    tickets, remarks = [], [push.detail] if push.detail else []
    for ticket, content in zip(push.tickets, reading.files, strict=True):
        if content is None:
            tickets.append(mark_pushed(ticket))
            continue
        try:
            document = context.documents.put(content, owner)
        except UnsupportedFileError as error:
            remarks.append(f"the file is {error}")
            continue
        tickets.append(attach_file(mark_pushed(ticket, digest=document.sha256), document.ticket_file))
    if not tickets:
        return InvalidPush(remarks[-1])
    kept = account.without_holders(tickets)
    return TicketsPush(kept, push.complete, "; ".join(remarks) or None, push.documents)
