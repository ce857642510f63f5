"""The event feed, for backends that prefer polling to callbacks."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
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
async def list_events(
    request: Request, context: ContextDep, principal: PrincipalDep, query: Annotated[EventsQuery, Query()]
) -> JSONResponse:
    """Return events in order. Store `next_cursor` and pass it as `after` in the next call to miss no event.

    With `wait`, a call that finds none returns as soon as there is one, or an empty page after so many seconds.
    """
    read = partial(context.stores.events.list_after, query.after, query.limit, principal.client)
    events = await run_in_threadpool(read)
    if not events and query.wait:
        request.scope["slot"].leave()  # a request that waits keeps no other from being processed
        await request.app.state.feed_waiters.wait((principal.client, query.after), query.wait)
        events = await run_in_threadpool(read)
    cursor = events[-1].cursor if events else query.after or _BEGINNING
    # An `EventPage`, whose events are passed on as they were stored.
    return JSONResponse({"items": [event.to_json() for event in events], "next_cursor": cursor})
