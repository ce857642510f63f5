"""Take orders."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import structlog

from willcall.config import find_account
from willcall.orders.errors import (
    ConflictingOrderError,
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
from willcall.stores.submissions import NewOrder, SubmitOutcome, submission_text
from willcall.usecases.apply_pushes import apply_inbox
from willcall.usecases.context import Context
from willcall.usecases.failures import guarded
from willcall.usecases.ports import Operation

if TYPE_CHECKING:
    from willcall.stores.messages import PollMessage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """An order that is ours now. `new` is False where it was submitted before with the same content."""

    order_id: str
    new: bool


def submit(context: Context, payload: Mapping[str, Any]) -> SubmitResult:
    """File an order and send the first message of its poll chain.

    Raises RejectedOrderError with everything that is wrong with the payload, ConflictingOrderError where the
    id was submitted with other content. Nothing is written in either case.
    """
    result = submit_many(context, [payload])[0]
    if isinstance(result, WillcallError):
        raise result
    return result


def submit_many(context: Context, payloads: Sequence[Mapping[str, Any]]) -> list[SubmitResult | WillcallError]:
    """File orders, each for itself; one result per payload, in the same order: what `submit` returns or raises."""
    read = [_read(context, payload) for payload in payloads]
    filed = iter(_file(context, [filing for filing in read if isinstance(filing, NewOrder)]))
    return [next(filed) if isinstance(each, NewOrder) else each for each in read]


def _file(context: Context, filings: Sequence[NewOrder]) -> list[SubmitResult | WillcallError]:
    """File orders, send the first messages of their poll chains, and attach what came ahead of them."""
    results: list[SubmitResult | WillcallError] = []
    messages: dict[str, dict[str, PollMessage]] = defaultdict(dict)  # by account and order: one is enough
    ahead: list[Order] = []
    now = 0.0
    for filing, became in zip(filings, context.stores.submissions.submit(filings), strict=True):
        order, now = filing.order, became.now
        if became.outcome is SubmitOutcome.CONFLICT:
            results.append(ConflictingOrderError(order.id))
            continue
        results.append(SubmitResult(order.id, new=became.outcome is SubmitOutcome.NEW))
        if became.message:
            messages[order.account_key][order.id] = became.message
        if became.pushes_ahead:
            ahead.append(order)
    for account, first in messages.items():
        context.sender.send_polls(account, list(first.values()), now)
    with suppress(StoreError):  # a message that is sent twice costs a claim
        context.stores.submissions.confirm_sent([order_id for first in messages.values() for order_id in first])
    for order in ahead:
        _attach(context, order)
    return results


def _attach(context: Context, order: Order) -> None:
    """Give an order what its provider pushed ahead of it; what cannot be given now is given by a sweep."""

    def attach() -> int:
        try:
            return apply_inbox(context, context.accounts[order.account_key], order.id, order.reference)
        except StorageError as error:
            log.warning("pushes not applied", order=order.id, account=order.account_key, error=error)
            return 0

    guarded(context, Operation.WEBHOOK, attach, order=order.id, account=order.account_key)


def _read(context: Context, payload: Mapping[str, Any]) -> NewOrder | RejectedOrderError:
    """Return what to file, or everything that is wrong with the payload."""
    try:
        submission = parse_submission(payload)
        account = _account(context, submission)
    except RejectedOrderError as error:
        return error
    order = submission.order()
    return NewOrder(order, _digest(order), account.polling.ceiling)


def _account(context: Context, submission: SubmitOrder) -> Account:
    if submission.provider not in ADAPTERS:
        known = ", ".join(sorted(ADAPTERS))
        raise RejectedOrderError(
            [FieldError("provider", f"there is no provider {submission.provider}; there is {known}")]
        )
    try:
        account = find_account(context.accounts, submission.provider, submission.account)
    except UnknownAccountError as error:
        raise RejectedOrderError([FieldError("account", str(error))]) from None
    try:
        account.adapter.check_reference(submission.reference, account.credentials)
    except ValueError as error:
        raise RejectedOrderError([FieldError("reference", str(error))]) from None
    if submission.quantity is None and account.adapter.is_user_list(submission.reference):
        why = "is required here: the reference stands for all that a user ever bought"
        raise RejectedOrderError([FieldError("quantity", why)])
    return account


def _digest(order: Order) -> str:
    return blake2b(submission_text(order).encode(), digest_size=12).hexdigest()
