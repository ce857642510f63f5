"""One action on many orders, each by its own rules and with its own line in the order's timeline."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum

import structlog

from willcall.orders.errors import ClosedOrderError, UnknownOrderError, WillcallError
from willcall.orders.history import Actor
from willcall.orders.model import OPEN
from willcall.usecases.complete import NewTickets, complete_order
from willcall.usecases.context import Context
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import cancel_order, get_unerased_order, request_poll

log = structlog.get_logger(__name__)

#: Most orders of one call, and how many of them are processed at the same time, so that other calls are served too.
MOST_ORDERS, MOST_AT_ONCE = 1_000, 4


class BulkAction(StrEnum):
    POLL = "poll"
    RESUME = "resume"
    REDELIVER = "redeliver"
    COMPLETE = "complete"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The result of an action for one order; `error` says why nothing was done."""

    order_id: str
    error: WillcallError | None = None


def act_on_orders(
    context: Context, action: BulkAction, order_ids: Sequence[str], actor: Actor, client: str | None = None
) -> list[BulkOutcome]:
    """Act on up to `MOST_ORDERS` orders, on each once; return the outcomes in the order of the ids.

    With `client`, orders of others are unknown. Raises StoreError; repeating the call is safe.
    """

    def act(order_id: str) -> BulkOutcome:
        try:
            if client is not None and context.stores.orders.client_of(order_id) != client:
                raise UnknownOrderError(order_id)
            _ACTIONS[action](context, order_id, actor)
        except WillcallError as error:
            return BulkOutcome(order_id, error)
        return BulkOutcome(order_id)

    executor = ThreadPoolExecutor(MOST_AT_ONCE, "bulk")
    try:
        outcomes = [
            future.result()
            for future in [
                executor.submit(copy_context().run, act, order_id)
                for order_id in list(dict.fromkeys(order_ids))[:MOST_ORDERS]
            ]
        ]
    finally:
        executor.shutdown(cancel_futures=True)
    done = sum(outcome.error is None for outcome in outcomes)
    log.info("bulk action", action=action.value, orders=len(outcomes), done=done, by=actor.name)
    return outcomes


def _resume(context: Context, order_id: str, actor: Actor) -> None:
    """Poll an order that waits. Raises ClosedOrderError if it is final: it waits for nothing."""
    order = get_unerased_order(context, order_id)
    if order.status not in OPEN:
        raise ClosedOrderError(f"order {order_id} is {order.status} and waits for nothing")
    request_poll(context, order_id, actor)


def _complete(context: Context, order_id: str, actor: Actor) -> None:
    """Fulfil an order with the tickets that it has."""
    complete_order(context, order_id, NewTickets(), actor)


_ACTIONS: Mapping[BulkAction, Callable[[Context, str, Actor], object]] = {
    BulkAction.POLL: request_poll,
    BulkAction.RESUME: _resume,
    BulkAction.REDELIVER: redeliver,
    BulkAction.COMPLETE: _complete,
    BulkAction.CANCEL: cancel_order,
}
