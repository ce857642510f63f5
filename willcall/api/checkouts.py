"""Checkouts, and the address at which customers come back from a payment."""

from collections.abc import Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from willcall.api.dependencies import ContextDep, NoParameters
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ProblemError, ProblemType, rejected
from willcall.api.request_body import json_body
from willcall.api.responses import SchemaResponse
from willcall.api.security import PrincipalDep
from willcall.orders.errors import FieldError
from willcall.orders.serialization import order_schema
from willcall.schemas.orders import Checkout
from willcall.usecases.checkouts import CheckoutRequest, create_checkout, follow_return
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", tags=["orders"])

#: Characters of a reference that a customer may bring back.
_LONGEST_REFERENCE = 256


@router.post(
    "/checkouts",
    summary="Create an order at its provider",
    status_code=201,
    responses=responses(
        *BODY_PROBLEMS, ProblemType.CONFLICT, ProblemType.CLOSED, made_201=Checkout, known_200=Checkout
    ),
    openapi_extra=request_body(CheckoutRequest),
)
def check_out(
    context: ContextDep, principal: PrincipalDep, _: NoParameters, payload: Annotated[Any, json_body()]
) -> SchemaResponse:
    """Turn a cart into an order at the provider, submit it, and return where the customer pays.

    `order.id` makes it idempotent: 201 for a new checkout, 200 for the same one again. If it is unknown whether the
    provider was reached, the order is not created again, and the response is 409.
    """
    if not isinstance(payload, dict):
        raise rejected([FieldError("body", "must be an object")])
    result = create_checkout(context, payload, principal.actor, principal.client)
    order = order_schema(get_order(context, result.order_id))
    return SchemaResponse(Checkout(order=order, payment_url=result.payment_url), 201 if result.new else 200)


def return_routes(current: Callable[[], Context]) -> APIRouter:
    """Return the route for returning customers. They have no key, and an unknown order key tells them nothing."""
    returns = APIRouter()

    @returns.api_route("/return/{provider}/{account}", methods=["GET", "HEAD"], include_in_schema=False)
    async def come_back(provider: str, account: str, request: Request) -> Response:
        context = current()
        known = context.accounts.get(f"{provider}/{account}")
        references = request.query_params.getlist("return")
        if known is None or len(references) != 1 or not 0 < len(references[0]) <= _LONGEST_REFERENCE:
            raise _unknown()
        address = await run_in_threadpool(follow_return, context, known, references[0])
        if address is None:
            raise _unknown()
        return RedirectResponse(address, 303)

    return returns


def _unknown() -> ProblemError:
    return ProblemError(ProblemType.NOT_FOUND, "this order is not known here")
