"""The pages: the board, one order, dead letters."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from willcall.api.board.banners import banners, headline
from willcall.api.board.compression import accepts_gzip, compressed
from willcall.api.board.errors import BoardRoute
from willcall.api.board.order_page import view_order
from willcall.api.board.overview import read_overview
from willcall.api.board.rendering import HEADERS, fragments, page
from willcall.api.dependencies import (
    ContextDep,
    NoParameters,
    OrderIdDep,
    valid_order_id,
)
from willcall.api.documents import document_response
from willcall.stores.connection import StoreError
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order

if TYPE_CHECKING:
    from willcall.api.board.access import BoardAccess
    from willcall.api.board.stream import UpdateStreams

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: Dead letters a page.
_PAGE = 50

#: The templates of the live parts of pages, by id.
_BOARD_PARTS = {
    "headline": "parts/headline.html",
    "banners": "parts/banners.html",
    "upcoming": "parts/upcoming.html",
    "accounts": "parts/accounts.html",
    "attention": "parts/attention.html",
    "activity": "parts/activity.html",
    "status": "parts/status.html",
}
_ORDER_PARTS = {"order": "parts/order.html"}


@router.get("/")
def board(request: Request, context: ContextDep, _: NoParameters) -> Response:
    """Show all accounts, and the orders that need attention."""
    return page(request, "board.html", **_board_values(context))


@router.get("/dead-letters")
def dead_letters(request: Request, context: ContextDep, _: NoParameters) -> Response:
    """List messages that no task could process, newest first."""
    letters = context.stores.dead_letters
    return page(
        request,
        "dead_letters.html",
        letters=letters.newest(_PAGE),
        count=letters.count(),
        now=context.stores.accounts.now(),
    )


@router.get("/orders/{order_id}")
def order_page(request: Request, context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> Response:
    """Show one order."""
    return page(request, "order.html", view=view_order(context, order_id))


@router.get("/orders/{order_id}/documents/{document_id}")
def document(
    context: ContextDep, order_id: OrderIdDep, document_id: str, if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """Download a document of the order."""
    return document_response(context, order_id, document_id, if_none_match)


@router.get("/board/stream")
async def stream(request: Request, context: ContextDep, order: Annotated[str | None, Query()] = None) -> Response:
    """Stream live updates of the first page or, with `order`, of an order's page."""
    streams: UpdateStreams = request.app.state.board_streams
    if streams.full:
        return Response("too many open pages", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})
    if order is not None:
        with suppress(StoreError):  # the stream says so, and continues once Redis is back
            await run_in_threadpool(get_order, context, await valid_order_id(order))
    current: Callable[[], Context] = request.app.state.current_context
    render = partial(_board_fragments, current) if order is None else partial(_order_fragments, current, order)
    headers = {**HEADERS, "X-Accel-Buffering": "no", "Vary": "Accept-Encoding"}
    events = streams.watch(order or "", render, lambda: _is_authenticated(request))
    if accepts_gzip(request):
        events, headers["Content-Encoding"] = compressed(events), "gzip"
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


async def _is_authenticated(request: Request) -> bool:
    """Return whether a viewer may stay. A reload may have removed the key of the session."""
    access: BoardAccess = request.app.state.board_access
    return await access.is_authenticated(request)


def _board_fragments(current: Callable[[], Context]) -> Mapping[str, str]:
    return fragments(_BOARD_PARTS, **_board_values(current()))


def _order_fragments(current: Callable[[], Context], order_id: str) -> Mapping[str, str]:
    return fragments(_ORDER_PARTS, view=view_order(current(), order_id))


def _board_values(context: Context) -> dict[str, Any]:
    overview = read_overview(context)
    found = banners(overview)
    return {"overview": overview, "banners": found, "headline": headline(overview, found), "now": overview.now}
