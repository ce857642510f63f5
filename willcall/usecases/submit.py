"""Accept orders."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from willcall.config import find_account
from willcall.orders.errors import (
    ConflictingOrderError,
    DuplicateOrderError,
    ErasedOrderError,
    FieldError,
    RejectedOrderError,
    UnknownAccountError,
    WillcallError,
)
from willcall.orders.model import Order
from willcall.orders.submission import SubmitOrder, parse_submission
from willcall.providers.base import Account
from willcall.providers.registry import ADAPTERS
from willcall.stores.connection import StoreError
from willcall.stores.documents import StorageError
from willcall.stores.submissions import NewOrder, SubmitOutcome, submission_digest
from willcall.usecases.apply_pushes import apply_inbox
from willcall.usecases.context import Context
from willcall.usecases.credentials import account_for_user, plain_credentials
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation

if TYPE_CHECKING:
    from willcall.stores.messages import PollMessage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """An accepted order. `new` is False if it was submitted before with the same content."""

    order_id: str
    new: bool


def submit(context: Context, payload: Mapping[str, Any]) -> AcceptedOrder:
    """Store an order and send the first message of its poll chain.

    Raises RejectedOrderError with all errors of the payload, ConflictingOrderError if the id was submitted with other
    content, DuplicateOrderError, or ErasedOrderError. Nothing is written then.
    """
    result = submit_many(context, [payload])[0]
    if isinstance(result, WillcallError):
        raise result
    return result


def submit_many(context: Context, payloads: Sequence[Mapping[str, Any]]) -> list[AcceptedOrder | WillcallError]:
    """Store orders independently of each other. Returns one result per payload: what `submit` returns or raises."""
    read = [_read(context, payload) for payload in payloads]
    stored = iter(_store(context, [each for each in read if isinstance(each, NewOrder)]))
    return [next(stored) if isinstance(each, NewOrder) else each for each in read]


def _store(context: Context, orders: Sequence[NewOrder]) -> list[AcceptedOrder | WillcallError]:
    """Store orders, send the first messages of their poll chains, and apply pushes that arrived before them."""
    results: list[AcceptedOrder | WillcallError] = []
    messages: dict[str, dict[str, PollMessage]] = defaultdict(dict)  # by account and order: one is enough
    with_pushes: list[Order] = []
    now = 0.0
    for new, result in zip(orders, context.stores.submissions.submit(orders), strict=True):
        order, now = new.order, result.now
        if result.outcome is SubmitOutcome.CONFLICT:
            results.append(ConflictingOrderError(order.id))
            continue
        if result.outcome is SubmitOutcome.ERASED:
            results.append(ErasedOrderError(order.id, "its id cannot be used again"))
            continue
        if result.duplicate:
            other, owner = result.duplicate
            known = order.client is None or order.client == owner
            results.append(DuplicateOrderError(order.id, other if known else None))
            continue
        results.append(AcceptedOrder(order.id, new=result.outcome is SubmitOutcome.NEW))
        if result.message:
            messages[order.account_key][order.id] = result.message
        if result.pushes_ahead:
            with_pushes.append(order)
    for account, first in messages.items():
        context.sender.send_polls(account, list(first.values()), now)
    with suppress(StoreError):  # a message that is sent twice costs a claim
        context.stores.submissions.confirm_sent([order_id for first in messages.values() for order_id in first])
    for order in with_pushes:
        _apply_inbox(context, order)
    return results


def _apply_inbox(context: Context, order: Order) -> None:
    """Apply pushes that arrived before their order. A sweep repeats what fails."""

    def apply() -> int:
        try:
            return apply_inbox(context, context.accounts[order.account_key], order.id, order.reference)
        except StorageError as error:
            log.warning("pushes not applied", order=order.id, account=order.account_key, error=error)
            return 0

    guarded(context, Operation.WEBHOOK, apply, order=order.id, account=order.account_key)


def _read(context: Context, payload: Mapping[str, Any]) -> NewOrder | RejectedOrderError:
    """Return the order to store, or all errors of the payload."""
    try:
        submission = parse_submission(payload)
        account = check_account(context, submission)
        _check_callback_url(context, submission)
    except RejectedOrderError as error:
        return error
    order = submission.order()
    return NewOrder(
        order,
        submission_digest(order),
        account.polling.ceiling,
        account.polling.minimum,
        user_list=account.adapter.is_user_list(order.reference),
        allow_duplicate=submission.allow_duplicate,
        interval_scope=account.interval_scope,
        credentials=plain_credentials(submission.credentials),
    )


def check_account(context: Context, submission: SubmitOrder) -> Account:
    """Return the account that a submission names. Raises RejectedOrderError if it cannot be used for it."""
    if submission.provider not in ADAPTERS:
        known = ", ".join(sorted(ADAPTERS))
        raise RejectedOrderError(
            [FieldError("provider", f"unknown provider {submission.provider}; known providers are {known}")]
        )
    if submission.client is not None:
        _check_client(context, submission, submission.client)
    try:
        account = find_account(context.accounts, submission.provider, submission.account)
    except UnknownAccountError as error:
        raise RejectedOrderError([FieldError("account", str(error))]) from None
    if submission.credentials:
        account = account_for_user(account, submission.credentials)
    try:
        account.adapter.check_reference(submission.reference, account.credentials)
    except ValueError as error:
        raise RejectedOrderError([FieldError("reference", str(error))]) from None
    why = account.adapter.language_error(submission.language) if submission.language else None
    if why:
        raise RejectedOrderError([FieldError("language", why)])
    if submission.quantity is None and account.adapter.is_user_list(submission.reference):
        why = "is required for this reference, which stands for everything that a user has bought"
        raise RejectedOrderError([FieldError("quantity", why)])
    return account


def _check_client(context: Context, submission: SubmitOrder, name: str) -> None:
    """Raise RejectedOrderError unless the client is configured and may use the account.

    An account that it may not use and one that does not exist are the same to it: it learns of no others.
    """
    client = context.settings.api.clients.get(name)
    if client is None:
        known = ", ".join(sorted(context.settings.api.clients)) or "none is"
        raise RejectedOrderError([FieldError("client", f"unknown client {name}; configured: {known}")])
    usable = [key for key in sorted(context.accounts) if client.may_use(key)]
    key = f"{submission.provider}/{submission.account}"
    if key not in usable:
        why = f"client {name} cannot use {key}; it can use: {', '.join(usable) or 'none'}"
        raise RejectedOrderError([FieldError("account", why)])


def _check_callback_url(context: Context, submission: SubmitOrder) -> None:
    """Raise RejectedOrderError for an address that events cannot be sent to."""
    why = context.outbound.refusal(submission.callback_url) if submission.callback_url else None
    if why:
        raise RejectedOrderError([FieldError("callback_url", why)])
