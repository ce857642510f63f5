"""What a backend or an operator can request for one order: an earlier poll, or its cancellation."""

from dataclasses import replace

from willcall.orders.errors import ClosedOrderError, ErasedOrderError, UnknownOrderError
from willcall.orders.history import Action, Actor
from willcall.orders.model import OPEN, Order, Status
from willcall.providers.base import Account
from willcall.stores.schedule import ExpediteOutcome, ExpediteResult, Requester
from willcall.usecases.context import Context
from willcall.usecases.history import record_order_action
from willcall.usecases.settle import settle_cancelled

#: Outcomes after which a request follows. While the account is stopped, the order is held instead.
_PROMISES = frozenset({ExpediteOutcome.SENT, ExpediteOutcome.SOON})


def get_order(context: Context, order_id: str) -> Order:
    """Return an order. Raises UnknownOrderError."""
    order = context.stores.orders.get(order_id)
    if order is None:
        raise UnknownOrderError(order_id)
    return order


def get_unerased_order(context: Context, order_id: str) -> Order:
    """Return an order whose content is stored. Raises UnknownOrderError and ErasedOrderError."""
    order = get_order(context, order_id)
    if order.erased_at is not None:
        raise ErasedOrderError(order_id)
    return order


def request_poll(context: Context, order_id: str, actor: Actor, *, override: bool = False) -> ExpediteResult:
    """Poll an order as soon as the provider's hints, the minimum interval and the rate allow.

    With `override` a hint of the provider is ignored. Raises UnknownOrderError, and ClosedOrderError if no response
    could change the order or its account is not configured.
    """
    order = get_unerased_order(context, order_id)
    account = context.accounts.get(order.account_key)
    if account is None:
        raise ClosedOrderError(f"the account {order.account_key} is not configured, so order {order_id} is not polled")
    expedited = expedite_poll(context, account, order_id, Requester.OVERRIDE if override else Requester.OPERATOR)
    if expedited.outcome is ExpediteOutcome.CLOSED:
        raise ClosedOrderError(f"order {order_id} is {order.status}; polling cannot change that")
    detail = "the provider's Retry-After is ignored" if override else ""
    record_order_action(context, order_id, Action.POLL_REQUESTED, actor, detail)
    if expedited.outcome in _PROMISES and context.stores.accounts.state(account.key, account.rate).health.holds_orders:
        return replace(expedited, outcome=ExpediteOutcome.HELD, at=None)
    return expedited


def expedite_poll(context: Context, account: Account, order_id: str, requester: Requester) -> ExpediteResult:
    """Move an order's next attempt forward as far as its `requester` may; never postpones it."""
    minimum = account.polling.minimum
    expedited = context.stores.schedule.expedite(order_id, account.key, minimum, account.rate, requester)
    context.send_polls(account.key, [expedited.message] if expedited.message else [])
    return expedited


def cancel_order(context: Context, order_id: str, actor: Actor) -> bool:
    """Stop polling an order and make it `cancelled`. Returns False if it was cancelled before.

    Raises UnknownOrderError, and ClosedOrderError if the order has another final status.
    """
    while True:
        order = get_unerased_order(context, order_id)
        if order.status is Status.CANCELLED:
            return False
        if order.status not in OPEN:
            raise ClosedOrderError(f"order {order_id} is {order.status} and can no longer be cancelled")
        if settle_cancelled(context, order, actor, context.stores.accounts.now()):
            return True
