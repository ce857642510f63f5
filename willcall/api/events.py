"""The event feed, for a backend that would rather pull."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from willcall.api import schemas
from willcall.api.dependencies import ContextDep, EventsQuery
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType

router = APIRouter(prefix="/v1/events", tags=["events"])

#: Before the first event that there can be.
_BEGINNING = "0-0"


@router.get("", summary="Read the event feed", responses=responses(ProblemType.REJECTED, ok_200=schemas.EventPage))
def list_events(context: ContextDep, query: Annotated[EventsQuery, Query()]) -> JSONResponse:
    """Events in their order. Come back with `next_cursor`, which is always there; keep it, and no event is missed."""
    events = list(context.stores.events.after(query.after, query.limit))
    cursor = events[-1].cursor if events else query.after or _BEGINNING
    return JSONResponse({"items": [event.document() for event in events], "next_cursor": cursor})
