"""Take an order."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from willcall.config import find_account
from willcall.orders.errors import ConflictingOrderError, Problem, RejectedOrderError, UnknownAccountError
from willcall.orders.model import Order
from willcall.orders.submission import SubmitOrder, parse_submission
from willcall.providers.base import Account
from willcall.providers.registry import ADAPTERS
from willcall.stores.orders import Submitted, digest_source
from willcall.usecases.context import Context


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order that is ours now. `new` is False where it was submitted before with the same content."""

    order_id: str
    new: bool


def submit(context: Context, payload: Mapping[str, Any]) -> Accepted:
    """File an order and send the first message of its poll chain.

    Raises RejectedOrderError with everything that is wrong with the payload, ConflictingOrderError where the
    id was submitted with other content. Nothing is written in either case.
    """
    submission = parse_submission(payload)
    account = _account(context, submission)
    order = submission.order()
    submitted, message = context.stores.orders.submit(order, _digest(order), account.polling.ceiling)
    if submitted is Submitted.CONFLICT:
        raise ConflictingOrderError(order.id)
    if message:
        context.send(account.key, [message])
    return Accepted(order.id, message is not None)


def _account(context: Context, submission: SubmitOrder) -> Account:
    if submission.provider not in ADAPTERS:
        known = ", ".join(sorted(ADAPTERS))
        raise RejectedOrderError([Problem("provider", f"there is no provider {submission.provider}; there is {known}")])
    try:
        account = find_account(context.accounts, submission.provider, submission.account)
    except UnknownAccountError as error:
        raise RejectedOrderError([Problem("account", str(error))]) from None
    try:
        account.adapter.check_reference(submission.reference, account.credentials)
    except ValueError as error:
        raise RejectedOrderError([Problem("reference", str(error))]) from None
    return account


def _digest(order: Order) -> str:
    return blake2b(digest_source(order).encode(), digest_size=12).hexdigest()
