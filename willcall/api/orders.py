"""Orders: submit, list, show, poll, cancel, redeliver."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from willcall.api.dependencies import (
    ContextDep,
    IdempotencyKey,
    NoParameters,
    OrderIdDep,
    OrdersQuery,
    override_requested,
)
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses, with_exports
from willcall.api.order_lists import list_response
from willcall.api.problems import ProblemType, rejected
from willcall.api.request_body import json_body
from willcall.api.request_models import Override, read_submission
from willcall.api.responses import SchemaResponse
from willcall.api.security import ActorDep, PrincipalDep
from willcall.api.uploads import NEW_TICKETS_BODY, new_tickets, upload_form
from willcall.orders.errors import FieldError
from willcall.orders.serialization import attempt_schema, order_schema
from willcall.orders.submission import AmendOrder, SubmitOrder
from willcall.schemas.orders import AttemptPage, Order, OrderPage
from willcall.usecases.amend import amend_order
from willcall.usecases.complete import complete_order
from willcall.usecases.context import Context
from willcall.usecases.erase import erase_order
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import cancel_order, get_order, request_poll
from willcall.usecases.submit import submit
from willcall.views.order_export import MEDIA_TYPES
from willcall.views.promises import earliest_poll, read_conditions

router = APIRouter(prefix="/v1/orders", tags=["orders"])
#: Calls that operators' keys may make too.
operator_router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.post(
    "",
    summary="Submit an order",
    status_code=201,
    responses=responses(
        *BODY_PROBLEMS, ProblemType.CONFLICT, ProblemType.DUPLICATE, ProblemType.CLOSED, made_201=Order, known_200=Order
    ),
    openapi_extra=request_body(SubmitOrder),
)
def submit_order(
    context: ContextDep,
    principal: PrincipalDep,
    _: NoParameters,
    payload: Annotated[Any, json_body()],
    idempotency_key: IdempotencyKey = None,
) -> SchemaResponse:
    """Return 201 for a new order, 200 for one that was submitted before with the same content.

    `id` is your own key; the header `Idempotency-Key` may have it instead. Without both Willcall generates an id, and
    repeating the call creates another order.
    """
    accepted = submit(context, read_submission(payload, principal, "body", idempotency_key))
    return _order(context, accepted.order_id, 201 if accepted.new else 200)


@router.get(
    "", summary="List orders", responses=with_exports(responses(ProblemType.REJECTED, ok_200=OrderPage), MEDIA_TYPES)
)
def list_orders(
    context: ContextDep,
    principal: PrincipalDep,
    query: Annotated[OrdersQuery, Query()],
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Return a page of orders, newest first, or export them all. Filters can be combined.

    With `event_before` or `event_after`, the soonest event comes first; with `updated_since`, the earliest change. For
    orders with an entry in their `metadata`, add `metadata.NAME=VALUE`. A page may have fewer orders than `limit`, or
    none, while `next_cursor` leads to more.
    """
    return list_response(context, query.filter(context.settings, principal.client), query, accept)


@router.get(
    "/{order_id}",
    summary="Show an order",
    responses=responses(ProblemType.NOT_FOUND, ProblemType.REJECTED, ok_200=Order),
)
def show_order(context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> SchemaResponse:
    """Return the order with its tickets."""
    return _order(context, order_id)


@router.get(
    "/{order_id}/attempts",
    summary="List an order's attempts",
    responses=responses(ProblemType.NOT_FOUND, ProblemType.REJECTED, ok_200=AttemptPage),
)
def list_attempts(context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> SchemaResponse:
    """Return the latest 100 status requests for the order, oldest first."""
    attempts = context.stores.orders.timeline(get_order(context, order_id).id)
    return SchemaResponse(AttemptPage(items=tuple(map(attempt_schema, attempts))))


@operator_router.post(
    "/{order_id}/poll",
    summary="Poll an order now",
    status_code=202,
    responses=responses(*BODY_PROBLEMS, ProblemType.NOT_FOUND, ProblemType.CLOSED, ok_202=Order),
    openapi_extra=request_body(Override, required=False),
)
def poll_order(
    context: ContextDep,
    principal: PrincipalDep,
    _: NoParameters,
    order_id: OrderIdDep,
    payload: Annotated[Any, json_body(optional=True)],
) -> SchemaResponse:
    """Poll as soon as the provider's hints, the minimum interval and the rate allow.

    `next_poll_at` says when that is; null while the account is paused, rejected or down.

    With the body `{"now": true}`, poll even before the provider's `Retry-After` has passed. Keys of clients cannot.
    """
    override = override_requested(payload, principal)
    request_poll(context, order_id, principal.actor, override=override)
    order = get_order(context, order_id)
    account = read_conditions(context.stores, context.accounts, order.account_key).state
    next_poll_at = earliest_poll(order, account, override=override)
    return SchemaResponse(order_schema(replace(order, next_poll_at=next_poll_at)), 202)


@operator_router.patch(
    "/{order_id}",
    name="amend_order",
    summary="Amend an order",
    responses=responses(*BODY_PROBLEMS, ProblemType.NOT_FOUND, ProblemType.CLOSED, ok_200=Order),
    openapi_extra=request_body(AmendOrder),
)
def amend(
    context: ContextDep, actor: ActorDep, _: NoParameters, order_id: OrderIdDep, payload: Annotated[Any, json_body()]
) -> SchemaResponse:
    """Correct what was submitted: the quantity, the event's time, the callback URL. What you leave out stays.

    After a new quantity, the order is checked again at once. Safe to repeat. Submitting the `id` again returns 200 with
    the original content and with the amended one.
    """
    if not isinstance(payload, dict):
        raise rejected([FieldError("body", "must be an object")])
    amend_order(context, order_id, payload, actor)
    return _order(context, order_id)


@operator_router.post(
    "/{order_id}/complete",
    name="complete_order",
    summary="Complete an order by hand",
    responses=responses(*BODY_PROBLEMS, ProblemType.NOT_FOUND, ProblemType.CLOSED, ok_200=Order),
    openapi_extra=NEW_TICKETS_BODY,
)
async def complete(
    request: Request, context: ContextDep, actor: ActorDep, _: NoParameters, order_id: OrderIdDep
) -> SchemaResponse:
    """Make the order `fulfilled`, whatever its status, with the tickets that it has and those that you send.

    For tickets that came another way, by mail for example, and for orders whose provider counts tickets differently:
    without a body, the tickets that are here are all. No later answer of the provider undoes it. Safe to repeat.
    """
    async with upload_form(request) as form:
        await run_in_threadpool(complete_order, context, order_id, new_tickets(form), actor)
    return await run_in_threadpool(_order, context, order_id)


@operator_router.post(
    "/{order_id}/cancel",
    name="cancel_order",
    summary="Cancel an order",
    status_code=202,
    responses=responses(ProblemType.NOT_FOUND, ProblemType.CLOSED, ProblemType.REJECTED, ok_202=Order),
)
def cancel(context: ContextDep, actor: ActorDep, _: NoParameters, order_id: OrderIdDep) -> SchemaResponse:
    """Stop polling; the order becomes `cancelled`. Nothing is cancelled at the provider. Safe to repeat."""
    cancel_order(context, order_id, actor)
    return _order(context, order_id, 202)


@operator_router.post(
    "/{order_id}/redeliver",
    summary="Redeliver the latest event",
    status_code=202,
    responses=responses(ProblemType.NOT_FOUND, ProblemType.CLOSED, ProblemType.REJECTED, ok_202=Order),
)
def redeliver_order(context: ContextDep, actor: ActorDep, _: NoParameters, order_id: OrderIdDep) -> SchemaResponse:
    """Send the order's latest event to its `callback_url` again, and restart the retry schedule."""
    redeliver(context, order_id, actor)
    return _order(context, order_id, 202)


@operator_router.delete(
    "/{order_id}",
    name="erase_order",
    summary="Erase an order",
    status_code=204,
    response_class=Response,
    responses=responses(ProblemType.NOT_FOUND, ProblemType.CLOSED, ProblemType.REJECTED),
)
def erase(context: ContextDep, actor: ActorDep, _: NoParameters, order_id: OrderIdDep) -> Response:
    """Forget a final order but for its id, times and outcomes. Safe to repeat.

    Its tickets, files, reference, metadata and callback URL are gone, also from its events in the feed. Pushes about it
    are refused from then on.
    """
    erase_order(context, order_id, actor)
    return Response(status_code=204)


def _order(context: Context, order_id: str, status: int = 200) -> SchemaResponse:
    return SchemaResponse(order_schema(get_order(context, order_id)), status)
