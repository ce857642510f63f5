"""The event feed, for backends that prefer polling to callbacks."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from willcall.api.dependencies import ContextDep, EventsQuery
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.api.security import PrincipalDep
from willcall.schemas.orders import EventPage

router = APIRouter(prefix="/v1/events", tags=["events"])

#: The cursor before any possible event.
_BEGINNING = "0-0"


@router.get("", summary="Read the event feed", responses=responses(ProblemType.REJECTED, ok_200=EventPage))
def list_events(context: ContextDep, principal: PrincipalDep, query: Annotated[EventsQuery, Query()]) -> JSONResponse:
    """Return events in order. Store `next_cursor` and pass it as `after` in the next call to miss no event."""
    events = context.stores.events.list_after(query.after, query.limit, principal.client)
    cursor = events[-1].cursor if events else query.after or _BEGINNING
    # An `EventPage`, whose events are passed on as they were stored.
    return JSONResponse({"items": [event.to_json() for event in events], "next_cursor": cursor})
