"""Submitting many orders in one call."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from willcall.api.dependencies import ContextDep, IdempotencyKey, NoParameters
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ProblemError, api_error_from, rejected
from willcall.api.request_body import MAX_BATCH_BYTES, BodyLimits, large_json
from willcall.api.request_models import Batch, read_submission
from willcall.api.responses import SchemaResponse
from willcall.api.security import Principal, PrincipalDep
from willcall.orders.errors import WillcallError
from willcall.orders.model import Order
from willcall.orders.serialization import order_schema
from willcall.orders.submission import field_errors_of
from willcall.schemas.orders import BatchResult, BatchResults
from willcall.usecases.context import Context
from willcall.usecases.submit import AcceptedOrder, submit_many

router = APIRouter(prefix="/v1", tags=["orders"])


@router.post(
    "/orders:batch",
    summary="Submit many orders",
    responses=responses(*BODY_PROBLEMS, ok_200=BatchResults),
    openapi_extra=request_body(Batch),
)
async def submit_batch(
    request: Request,
    context: ContextDep,
    principal: PrincipalDep,
    _: NoParameters,
    idempotency_key: IdempotencyKey = None,
) -> SchemaResponse:
    """Submit up to 1,000 orders. Each is accepted or rejected independently of the others.

    With the header `Idempotency-Key`, orders without an `id` get one from the key and their position.
    """
    async with large_json(request, BodyLimits(MAX_BATCH_BYTES)) as payload:
        return await run_in_threadpool(_submit, context, principal, payload, idempotency_key)


def _submit(context: Context, principal: Principal, payload: Any, idempotency_key: str | None) -> SchemaResponse:
    try:
        items = Batch.model_validate(payload).orders
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None
    return SchemaResponse(BatchResults(results=_results(context, principal, items, idempotency_key)))


def _results(
    context: Context, principal: Principal, items: list[Any], idempotency_key: str | None
) -> tuple[BatchResult, ...]:
    read = [_read(item, principal, idempotency_key, position) for position, item in enumerate(items)]
    submitted = iter(submit_many(context, [each for each in read if isinstance(each, dict)]))
    outcomes = [next(submitted) if isinstance(each, dict) else each for each in read]
    ids = [outcome.order_id for outcome in outcomes if isinstance(outcome, AcceptedOrder)]
    orders = iter(context.stores.orders.get_many(ids))
    return tuple(
        _accepted(outcome, next(orders)) if isinstance(outcome, AcceptedOrder) else _rejected(item, outcome)
        for item, outcome in zip(map(_payload, items, read), outcomes, strict=True)
    )


def _read(item: Any, principal: Principal, idempotency_key: str | None, position: int) -> dict[str, Any] | ProblemError:
    try:
        return read_submission(item, principal, "order", idempotency_key, position)
    except ProblemError as error:
        return error


def _payload(item: Any, read: dict[str, Any] | ProblemError) -> Any:
    """Return what was submitted, with the id that was made of the key."""
    return item if isinstance(read, ProblemError) else read


def _accepted(result: AcceptedOrder, order: Order | None) -> BatchResult:
    """`order` is `None` if it has been deleted since."""
    status = 201 if result.new else 200
    return BatchResult(id=result.order_id, status_code=status, order=order_schema(order) if order else None)


def _rejected(item: Any, error: WillcallError | ProblemError) -> BatchResult:
    problem = api_error_from(error) if isinstance(error, WillcallError) else error
    order_id = item.get("id") if isinstance(item, dict) else None
    return BatchResult(
        id=order_id if isinstance(order_id, str) else None,
        status_code=problem.problem_type.status,
        error=problem.schema(),
    )
