"""Orders: submit, list, look, ask now, cancel."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from willcall.api import schemas
from willcall.api.dependencies import Given, GivenOrderId, Nothing, OrdersQuery, wants_override
from willcall.api.openapi import answers, body
from willcall.api.problems import Kind, rejected
from willcall.api.request_body import json_body
from willcall.orders.errors import Problem
from willcall.orders.serialization import attempt_document, order_document
from willcall.orders.submission import SubmitOrder
from willcall.stores.listing import Query as Listed
from willcall.usecases.control import cancel_order, get_order, poll_now, redeliver
from willcall.usecases.submit import submit

router = APIRouter(prefix="/v1/orders", tags=["orders"])
#: What operators may do as well.
operated = APIRouter(prefix="/v1/orders", tags=["orders"])

_BODY = (Kind.TOO_SLOW, Kind.TOO_LARGE, Kind.UNSUPPORTED, Kind.REJECTED)


@router.post(
    "",
    summary="Submit an order",
    status_code=201,
    responses=answers(*_BODY, Kind.CONFLICT, made_201=schemas.Order, known_200=schemas.Order),
    openapi_extra=body(SubmitOrder),
)
def submit_order(context: Given, _: Nothing, payload: Annotated[Any, json_body()]) -> JSONResponse:
    """201 for a new order, 200 for one that was submitted before with the same content.

    `id` is your own key. Without it one is made, and a repetition would be another order.
    """
    if not isinstance(payload, dict):
        raise rejected([Problem("body", "must be an object")])
    accepted = submit(context, payload)
    return JSONResponse(order_document(get_order(context, accepted.order_id)), 201 if accepted.new else 200)


@router.get("", summary="List orders", responses=answers(Kind.REJECTED, ok_200=schemas.OrderPage))
def list_orders(context: Given, query: Annotated[OrdersQuery, Query()]) -> JSONResponse:
    """A page of orders, newest first. The filters can be combined."""
    wanted = Listed(query.status, query.provider, query.reasons)
    page = context.stores.listing.page(wanted, query.limit, query.cursor)
    return JSONResponse({"items": [order_document(order) for order in page.orders], "next_cursor": page.next_cursor})


@router.get(
    "/{order_id}", summary="Show an order", responses=answers(Kind.NOT_FOUND, Kind.REJECTED, ok_200=schemas.Order)
)
def show_order(context: Given, _: Nothing, order_id: GivenOrderId) -> JSONResponse:
    """The order with its tickets."""
    return JSONResponse(order_document(get_order(context, order_id)))


@router.get(
    "/{order_id}/attempts",
    summary="Show an order's timeline",
    responses=answers(Kind.NOT_FOUND, Kind.REJECTED, ok_200=schemas.AttemptPage),
)
def list_attempts(context: Given, _: Nothing, order_id: GivenOrderId) -> JSONResponse:
    """The latest 100 requests about the order, oldest first."""
    order = get_order(context, order_id)
    items = [attempt_document(attempt) for attempt in context.stores.orders.timeline(order.id)]
    return JSONResponse({"items": items, "next_cursor": None})


@operated.post(
    "/{order_id}/poll",
    summary="Ask about an order now",
    status_code=202,
    responses=answers(*_BODY, Kind.NOT_FOUND, Kind.CLOSED, ok_202=schemas.Order),
    openapi_extra=body(schemas.Override, required=False),
)
def poll_order(
    context: Given, _: Nothing, order_id: GivenOrderId, payload: Annotated[Any, json_body(optional=True)]
) -> JSONResponse:
    """Asks as soon as the provider's hints, the minimum interval and the rate allow: see `next_poll_at`.

    With the body `{"now": true}` it asks in spite of a hint.
    """
    poll_now(context, order_id, now=wants_override(payload))
    return JSONResponse(order_document(get_order(context, order_id)), 202)


@router.post(
    "/{order_id}/cancel",
    summary="Stop asking about an order",
    status_code=202,
    responses=answers(Kind.NOT_FOUND, Kind.CLOSED, Kind.REJECTED, ok_202=schemas.Order),
)
def cancel(context: Given, _: Nothing, order_id: GivenOrderId) -> JSONResponse:
    """The order becomes `cancelled`; nothing is cancelled at the provider. May be repeated."""
    cancel_order(context, order_id)
    return JSONResponse(order_document(get_order(context, order_id)), 202)


@router.post(
    "/{order_id}/redeliver",
    summary="Tell the backend again",
    status_code=202,
    responses=answers(Kind.NOT_FOUND, Kind.CLOSED, Kind.REJECTED, ok_202=schemas.Order),
)
def redeliver_order(context: Given, _: Nothing, order_id: GivenOrderId) -> JSONResponse:
    """The order's latest event goes to its `callback_url` again, from now on by the whole schedule."""
    redeliver(context, order_id)
    return JSONResponse(order_document(get_order(context, order_id)), 202)
