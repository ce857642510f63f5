"""Credentials of orders' own users, in place of their accounts'."""

from collections.abc import Mapping

from pydantic import SecretStr

from willcall.orders.errors import FieldError, RejectedOrderError
from willcall.orders.model import Order
from willcall.providers.base import Account
from willcall.usecases.context import Context


def account_for_user(account: Account, credentials: Mapping[str, SecretStr]) -> Account:
    """Return the account with the credentials of one user. Raises RejectedOrderError."""
    try:
        return account.for_user(plain_credentials(credentials))
    except ValueError as error:
        raise RejectedOrderError([FieldError("credentials", str(error))]) from None


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
