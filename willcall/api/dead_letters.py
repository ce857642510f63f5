"""Dead letters: list them, requeue one, clear all."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from willcall.api.dependencies import ContextDep, DeadLettersQuery, NoParameters
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.api.responses import SchemaResponse
from willcall.api.security import ActorDep
from willcall.schemas import operations as schemas
from willcall.usecases.dead_letters import clear, dead_letter_schema, requeue

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


@router.get("", summary="List dead letters", responses=responses(ProblemType.REJECTED, ok_200=schemas.DeadLetterPage))
def list_dead_letters(context: ContextDep, query: Annotated[DeadLettersQuery, Query()]) -> SchemaResponse:
    """Return messages that no task could process, newest first."""
    letters = context.stores.dead_letters.newest(query.limit + 1, before=query.cursor)
    shown = letters[: query.limit]
    cursor = shown[-1].id if len(letters) > len(shown) else None
    return SchemaResponse(schemas.DeadLetterPage(items=tuple(map(dead_letter_schema, shown)), next_cursor=cursor))


@router.post(
    "/{letter_id}/requeue",
    summary="Requeue a dead letter",
    status_code=202,
    responses=responses(
        ProblemType.NOT_FOUND,
        ProblemType.CLOSED,
        ProblemType.TOO_SLOW,
        ProblemType.TOO_LARGE,
        ProblemType.REJECTED,
        ok_202=schemas.DeadLetter,
    ),
)
def requeue_dead_letter(
    context: ContextDep, actor: ActorDep, _: NoParameters, letter_id: Annotated[str, Path(examples=["1795341616250-0"])]
) -> SchemaResponse:
    """Send a message back to its queue and remove it from the list; 409 if it was truncated or is not a message."""
    return SchemaResponse(dead_letter_schema(requeue(context, letter_id, actor)), 202)


@router.delete(
    "", summary="Clear the dead letters", responses=responses(ProblemType.REJECTED, ok_200=schemas.ClearResult)
)
def clear_dead_letters(context: ContextDep, actor: ActorDep, _: NoParameters) -> SchemaResponse:
    """Delete all of them. `cleared` is how many there were."""
    return SchemaResponse(schemas.ClearResult(cleared=clear(context, actor)))
