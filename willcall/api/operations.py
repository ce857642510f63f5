"""Calls that concern many orders, or none: looks, redeliveries, samples, sweeps."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from willcall.api.dependencies import ContextDep, NoParameters
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ProblemType, rejected
from willcall.api.request_body import json_body
from willcall.api.request_models import Look, Redeliveries, Trigger, read_model
from willcall.api.responses import SchemaResponse
from willcall.api.security import ActorDep, PrincipalDep
from willcall.orders.errors import FieldError
from willcall.schemas import operations as schemas
from willcall.usecases.look import look, look_schema
from willcall.usecases.redeliveries import Redelivery, redeliver_many
from willcall.usecases.sweeps import start_sweep
from willcall.usecases.trigger import trigger, trigger_schema

router = APIRouter(prefix="/v1", tags=["operations"])
#: Calls for operators alone.
operator_router = APIRouter(prefix="/v1", tags=["operations"])


@router.post(
    "/redeliveries",
    summary="Redeliver many events",
    status_code=202,
    responses=responses(*BODY_PROBLEMS, ok_202=schemas.RedeliveryResult),
    openapi_extra=request_body(Redeliveries),
)
def redeliver_events(
    context: ContextDep, principal: PrincipalDep, _: NoParameters, payload: Annotated[Any, json_body()]
) -> SchemaResponse:
    """Send the latest event of many orders again: of those with an event since a time, or that was not delivered.

    Each event keeps its `webhook-id`. One call takes about 15 seconds at most; `next_cursor` continues it.
    """
    body = read_model(Redeliveries, payload)
    since = None if body.since is None else body.since.timestamp()
    try:
        result = redeliver_many(
            context, Redelivery(since, body.undelivered, principal.client), principal.actor, body.cursor
        )
    except ValueError as error:
        raise rejected([FieldError("cursor", f"is {error}")]) from None
    return SchemaResponse(
        schemas.RedeliveryResult(
            redelivered=result.redelivered, skipped=result.skipped, next_cursor=result.next_cursor
        ),
        202,
    )


@router.post(
    "/look",
    summary="Look at what a provider says now",
    responses=responses(*BODY_PROBLEMS, ProblemType.CLOSED, ok_200=schemas.LookResult),
    openapi_extra=request_body(Look),
)
def look_up(
    context: ContextDep, principal: PrincipalDep, _: NoParameters, payload: Annotated[Any, json_body()]
) -> SchemaResponse:
    """Send one status request about a reference and return what it means, without an order.

    Nothing is stored and no event is sent. The request takes a token; 409 if a hint of the provider, the minimum
    interval or a paused account forbids it now.
    """
    body = read_model(Look, payload).model_dump(exclude_none=True)
    return SchemaResponse(look_schema(look(context, body, principal.actor, principal.client)))


@router.post(
    "/trigger",
    summary="Send a sample event",
    responses=responses(*BODY_PROBLEMS, ProblemType.CLOSED, ok_200=schemas.TriggerResult),
    openapi_extra=request_body(Trigger),
)
def trigger_sample(
    context: ContextDep, principal: PrincipalDep, _: NoParameters, payload: Annotated[Any, json_body()]
) -> SchemaResponse:
    """Send a sample event, signed, as if an order had come to a status. It is sent once, and in no feed.

    It says `"sample": true`, and its order does not exist. 409 if there is no address to send it to.
    """
    body = read_model(Trigger, payload)
    if body.client not in (None, principal.client) and not principal.actor.is_operator:
        raise rejected([FieldError("client", "is decided by the key; leave it out")])
    client = body.client or principal.client
    result = trigger(context, body.status, principal.actor, url=body.callback_url, client=client)
    return SchemaResponse(trigger_schema(result))


@operator_router.post(
    "/sweeps/{name}",
    summary="Run a sweep",
    status_code=202,
    responses=responses(ProblemType.NOT_FOUND, ProblemType.REJECTED, ok_202=schemas.SweepStarted),
)
def run_sweep(
    context: ContextDep, actor: ActorDep, _: NoParameters, name: Annotated[str, Path(examples=["polls"])]
) -> SchemaResponse:
    """Have a worker run a sweep now, unless it is running already. `/metrics` and the board have its results."""
    start_sweep(context, name, actor)
    return SchemaResponse(schemas.SweepStarted(name=name), 202)
