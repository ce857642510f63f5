"""Credentials of orders' own users, in place of their accounts'."""

from collections.abc import Mapping

from pydantic import SecretStr

from willcall.orders.errors import ClosedOrderError, FieldError, RejectedOrderError, UnknownOrderError
from willcall.orders.history import Action, Actor
from willcall.orders.model import Order
from willcall.orders.outcomes import Unauthorized
from willcall.providers.base import Account
from willcall.stores.credentials import SetOutcome
from willcall.stores.schedule import Requester
from willcall.stores.submissions import answer_digest
from willcall.usecases.context import Context
from willcall.usecases.history import record_order_action
from willcall.usecases.orders import expedite_poll, get_unerased_order

#: The outcome for an order whose user's credentials are no longer stored.
NO_CREDENTIALS = Unauthorized(whole_account=False, detail="the credentials of its user are no longer stored")


def account_for_user(account: Account, credentials: Mapping[str, SecretStr]) -> Account:
    """Return the account with the credentials of one user. Raises RejectedOrderError."""
    try:
        return account.for_user(plain_credentials(credentials))
    except ValueError as error:
        raise RejectedOrderError([FieldError("credentials", str(error))]) from None


def replace_credentials(context: Context, order_id: str, credentials: Mapping[str, SecretStr], actor: Actor) -> None:
    """Replace the credentials of an order's own user, and poll the order with them as soon as possible.

    Raises UnknownOrderError, RejectedOrderError, and ClosedOrderError if the order has ended and lacks no documents.
    """
    order = get_unerased_order(context, order_id)
    account = context.accounts.get(order.account_key)
    if account is None:
        raise ClosedOrderError(f"the account {order.account_key} is not configured, so order {order_id} is not polled")
    own = account_for_user(account, credentials)
    try:
        own.adapter.check_reference(order.reference, own.credentials)
    except ValueError as error:
        raise RejectedOrderError([FieldError("credentials", str(error))]) from None
    plain = plain_credentials(credentials)
    digest = answer_digest(order.reference, plain) if account.adapter.is_user_list(order.reference) else None
    match context.stores.credentials.set(order_id, account.key, plain, digest):
        case SetOutcome.GONE:
            raise UnknownOrderError(order_id)
        case SetOutcome.CLOSED:
            raise ClosedOrderError(f"order {order_id} is {order.status}; its credentials are no longer needed")
    record_order_action(context, order_id, Action.AMENDED, actor, "credentials")
    expedite_poll(context, account, order_id, Requester.OPERATOR)


def plain_credentials(credentials: Mapping[str, SecretStr]) -> dict[str, str]:
    """Return credentials as they are stored and sent."""
    return {name: secret.get_secret_value() for name, secret in credentials.items()}


def account_of(context: Context, account: Account, order: Order) -> Account | None:
    """Return the account to poll an order with: its own, or that with the credentials of the order's user.

    Returns `None` if these are no longer stored. The account's own are never used instead.
    """
    if not order.user_bound:
        return account
    credentials = context.stores.credentials.get(order.id)
    return account.for_user(credentials) if credentials else None
