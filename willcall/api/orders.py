"""Orders: submit, list, look, ask now, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from willcall.api import schemas
from willcall.api.dependencies import ContextDep, NoParameters, OrderIdDep, OrdersQuery, override_requested
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ProblemType, rejected
from willcall.api.request_body import json_body
from willcall.orders.errors import FieldError
from willcall.orders.serialization import attempt_to_json, order_to_json
from willcall.orders.submission import SubmitOrder
from willcall.stores.listing import OrderQuery as Listed
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import cancel_order, get_order, request_poll
from willcall.usecases.submit import submit

router = APIRouter(prefix="/v1/orders", tags=["orders"])
#: What operators may do as well.
operator_router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.post(
    "",
    summary="Submit an order",
    status_code=201,
    responses=responses(*BODY_PROBLEMS, ProblemType.CONFLICT, made_201=schemas.Order, known_200=schemas.Order),
    openapi_extra=request_body(SubmitOrder),
)
def submit_order(context: ContextDep, _: NoParameters, payload: Annotated[Any, json_body()]) -> JSONResponse:
    """201 for a new order, 200 for one that was submitted before with the same content.

    `id` is your own key. Without it one is made, and a repetition would be another order.
    """
    if not isinstance(payload, dict):
        raise rejected([FieldError("body", "must be an object")])
    accepted = submit(context, payload)
    return JSONResponse(order_to_json(get_order(context, accepted.order_id)), 201 if accepted.new else 200)


@router.get("", summary="List orders", responses=responses(ProblemType.REJECTED, ok_200=schemas.OrderPage))
def list_orders(context: ContextDep, query: Annotated[OrdersQuery, Query()]) -> JSONResponse:
    """A page of orders, newest first. The filters can be combined."""
    wanted = Listed(query.status, query.provider, query.reasons)
    page = context.stores.listing.page(wanted, query.limit, query.cursor)
    return JSONResponse({"items": [order_to_json(order) for order in page.orders], "next_cursor": page.next_cursor})


@router.get(
    "/{order_id}",
    summary="Show an order",
    responses=responses(ProblemType.NOT_FOUND, ProblemType.REJECTED, ok_200=schemas.Order),
)
def show_order(context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> JSONResponse:
    """The order with its tickets."""
    return JSONResponse(order_to_json(get_order(context, order_id)))


@router.get(
    "/{order_id}/attempts",
    summary="Show an order's timeline",
    responses=responses(ProblemType.NOT_FOUND, ProblemType.REJECTED, ok_200=schemas.AttemptPage),
)
def list_attempts(context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> JSONResponse:
    """The latest 100 requests about the order, oldest first."""
    order = get_order(context, order_id)
    items = [attempt_to_json(attempt) for attempt in context.stores.orders.timeline(order.id)]
    return JSONResponse({"items": items, "next_cursor": None})


@operator_router.post(
    "/{order_id}/poll",
    summary="Ask about an order now",
    status_code=202,
    responses=responses(*BODY_PROBLEMS, ProblemType.NOT_FOUND, ProblemType.CLOSED, ok_202=schemas.Order),
    openapi_extra=request_body(schemas.Override, required=False),
)
def poll_order(
    context: ContextDep, _: NoParameters, order_id: OrderIdDep, payload: Annotated[Any, json_body(optional=True)]
) -> JSONResponse:
    """Asks as soon as the provider's hints, the minimum interval and the rate allow: see `next_poll_at`.

    With the body `{"now": true}` it asks in spite of a hint.
    """
    request_poll(context, order_id, override=override_requested(payload))
    return JSONResponse(order_to_json(get_order(context, order_id)), 202)


@router.post(
    "/{order_id}/cancel",
    summary="Stop asking about an order",
    status_code=202,
    responses=responses(ProblemType.NOT_FOUND, ProblemType.CLOSED, ProblemType.REJECTED, ok_202=schemas.Order),
)
def cancel(context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> JSONResponse:
    """The order becomes `cancelled`; nothing is cancelled at the provider. May be repeated."""
    cancel_order(context, order_id)
    return JSONResponse(order_to_json(get_order(context, order_id)), 202)


@router.post(
    "/{order_id}/redeliver",
    summary="Tell the backend again",
    status_code=202,
    responses=responses(ProblemType.NOT_FOUND, ProblemType.CLOSED, ProblemType.REJECTED, ok_202=schemas.Order),
)
def redeliver_order(context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> JSONResponse:
    """The order's latest event goes to its `callback_url` again, from now on by the whole schedule."""
    redeliver(context, order_id)
    return JSONResponse(order_to_json(get_order(context, order_id)), 202)
