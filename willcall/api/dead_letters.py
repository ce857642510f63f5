"""Dead letters: list them, requeue one, clear all."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import JSONResponse

from willcall.api import schemas
from willcall.api.dependencies import ContextDep, DeadLettersQuery, NoParameters
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.usecases.dead_letters import Via, clear, dead_letter_document, requeue

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


@router.get("", summary="List dead letters", responses=responses(ProblemType.REJECTED, ok_200=schemas.DeadLetterPage))
def list_dead_letters(context: ContextDep, query: Annotated[DeadLettersQuery, Query()]) -> JSONResponse:
    """Messages in our queues that no task could process, newest first."""
    letters = context.stores.dead_letters.newest(query.limit + 1, before=query.cursor)
    shown = letters[: query.limit]
    cursor = shown[-1].id if len(letters) > len(shown) else None
    return JSONResponse({"items": [dead_letter_document(letter) for letter in shown], "next_cursor": cursor})


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
    context: ContextDep, _: NoParameters, letter_id: Annotated[str, Path(examples=["1795341616250-0"])]
) -> JSONResponse:
    """Send a message back to its queue and remove it from the list; 409 if it was truncated or never was a message."""
    return JSONResponse(dead_letter_document(requeue(context, letter_id, Via.API)), 202)


@router.delete("", summary="Clear the dead letters", responses=responses(ProblemType.REJECTED, ok_200=schemas.Cleared))
def clear_dead_letters(context: ContextDep, _: NoParameters) -> JSONResponse:
    """Delete all of them. `cleared` is how many there were."""
    return JSONResponse({"cleared": clear(context, Via.API)})
