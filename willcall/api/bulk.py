"""One action on many orders."""

from typing import Annotated, Any

from fastapi import APIRouter

from willcall.api.dependencies import ContextDep, NoParameters, orders_page
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import api_error_from
from willcall.api.request_body import json_body
from willcall.api.request_models import Bulk, read_model
from willcall.api.responses import SchemaResponse
from willcall.api.security import Principal, PrincipalDep
from willcall.orders.model import Order
from willcall.orders.serialization import order_schema
from willcall.schemas.orders import BulkResult, BulkResults
from willcall.usecases.bulk import BulkOutcome, act_on_orders
from willcall.usecases.context import Context

router = APIRouter(prefix="/v1", tags=["orders"])


@router.post(
    "/orders:bulk",
    summary="Act on many orders",
    responses=responses(*BODY_PROBLEMS, ok_200=BulkResults),
    openapi_extra=request_body(Bulk),
)
def act_on_many_orders(
    context: ContextDep, principal: PrincipalDep, _: NoParameters, payload: Annotated[Any, json_body()]
) -> SchemaResponse:
    """Poll, resume, redeliver, complete or cancel up to 1,000 orders: by their ids, or those that a filter finds.

    Each succeeds or fails independently of the others, by the rules of the call for one order: `status_code` is 200 if
    it was done, also when repeated, and otherwise as there. With a filter, `next_cursor` continues the call. Safe to
    repeat.
    """
    body = read_model(Bulk, payload)
    order_ids, next_cursor = _find(context, principal, body)
    outcomes = act_on_orders(context, body.action, order_ids, principal.actor, principal.client)
    orders = context.stores.orders.get_many([outcome.order_id for outcome in outcomes if outcome.error is None])
    done = iter(orders)
    results = tuple(_result(outcome, next(done) if outcome.error is None else None) for outcome in outcomes)
    return SchemaResponse(BulkResults(results=results, next_cursor=next_cursor))


def _find(context: Context, principal: Principal, body: Bulk) -> tuple[list[str], str | None]:
    if body.conditions is None:
        return body.ids or [], None
    wanted = body.conditions.filter(context.settings, principal.client)
    page = orders_page(context, wanted, body.limit, body.cursor)
    return [order.id for order in page.orders], page.next_cursor


def _result(outcome: BulkOutcome, order: Order | None) -> BulkResult:
    """`order` is `None` if nothing was done, or if it has been deleted since."""
    if outcome.error is None:
        return BulkResult(id=outcome.order_id, status_code=200, order=order_schema(order) if order else None)
    problem = api_error_from(outcome.error)
    return BulkResult(id=outcome.order_id, status_code=problem.problem_type.status, error=problem.schema())
