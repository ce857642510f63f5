"""Many orders in one call."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from starlette.responses import JSONResponse

from willcall.api import schemas
from willcall.api.dependencies import ContextDep, NoParameters
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ApiError, api_error_from, rejected
from willcall.api.request_body import MAX_BATCH_BYTES, BodyLimits, large_json
from willcall.orders.errors import FieldError, WillcallError
from willcall.orders.model import Order
from willcall.orders.serialization import order_to_json
from willcall.orders.submission import field_errors_of
from willcall.usecases.context import Context
from willcall.usecases.submit import SubmitResult, submit_many

router = APIRouter(prefix="/v1", tags=["orders"])


@router.post(
    "/orders:batch",
    summary="Submit many orders",
    responses=responses(
        *BODY_PROBLEMS,
        ok_200=schemas.BatchResults,
    ),
    openapi_extra=request_body(schemas.Batch),
)
async def submit_batch(request: Request, context: ContextDep, _: NoParameters) -> JSONResponse:
    """Up to 1,000 orders, each for itself: one that is refused does not stop the rest."""
    async with large_json(request, BodyLimits(MAX_BATCH_BYTES)) as payload:
        return await run_in_threadpool(_submit, context, payload)


def _submit(context: Context, payload: Any) -> JSONResponse:
    try:
        wishes = schemas.Batch.model_validate(payload).orders
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None
    return JSONResponse({"results": _results(context, wishes)})


def _results(context: Context, wishes: list[Any]) -> list[dict[str, Any]]:
    """What became of each wish, in their order."""
    outcomes = iter(submit_many(context, [wish for wish in wishes if isinstance(wish, dict)]))
    became = [
        (wish, next(outcomes) if isinstance(wish, dict) else rejected([FieldError("order", "must be an object")]))
        for wish in wishes
    ]
    ids = [outcome.order_id for _, outcome in became if isinstance(outcome, SubmitResult)]
    orders = iter(context.stores.orders.get_many(ids))
    return [
        _taken(outcome, next(orders)) if isinstance(outcome, SubmitResult) else _refused(wish, outcome)
        for wish, outcome in became
    ]


def _taken(accepted: SubmitResult, order: Order | None) -> dict[str, Any]:
    """`order` is None where it is so old that it was forgotten since."""
    document = order and order_to_json(order)
    return {"id": accepted.order_id, "status_code": 201 if accepted.new else 200, "order": document}


def _refused(wish: Any, error: WillcallError | ApiError) -> dict[str, Any]:
    problem = api_error_from(error) if isinstance(error, WillcallError) else error
    given = wish.get("id") if isinstance(wish, dict) else None
    identity = given if isinstance(given, str) else None
    return {"id": identity, "status_code": problem.kind.status, "error": problem.document()}
