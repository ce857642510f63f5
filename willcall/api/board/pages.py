"""The pages: the board, lists of orders, one order, dead letters."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, ValidationError
from starlette.responses import RedirectResponse, Response, StreamingResponse

from willcall.api.board import labels
from willcall.api.board.banners import banners, headline
from willcall.api.board.compression import accepts_gzip, compressed
from willcall.api.board.errors import BoardRoute
from willcall.api.board.order_page import view_order
from willcall.api.board.overview import read_overview
from willcall.api.board.rendering import HEADERS, fragments, page
from willcall.api.board.search import search
from willcall.api.dependencies import (
    ANY_REASON,
    ContextDep,
    NoParameters,
    OrderIdDep,
    OrdersQuery,
    orders_page,
    valid_order_id,
)
from willcall.api.documents import document_response
from willcall.api.problems import rejected
from willcall.orders.errors import FieldError
from willcall.orders.model import Attention, Order, Status
from willcall.orders.submission import NAME_PATTERN, field_errors_of
from willcall.stores.connection import StoreError
from willcall.stores.listing import OrderFilter
from willcall.usecases.context import Context
from willcall.usecases.orders import get_order
from willcall.views.accounts import stopped_accounts
from willcall.views.overdue import OverdueKind, overdue_orders
from willcall.views.upcoming import upcoming_filter

if TYPE_CHECKING:
    from willcall.api.board.access import BoardAccess
    from willcall.api.board.stream import UpdateStreams

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: Orders a page.
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


class _BoardQuery(OrdersQuery):
    """Which orders to show. `account` is an account's key, `client` a client's name.

    `late`: list only orders with this overdue. Only `overdue` can be combined with provider and account. `event`: list
    only open orders whose event is near or has begun.
    """

    account: str | None = Field(default=None, max_length=200)
    client: str | None = Field(default=None, pattern=NAME_PATTERN)
    late: OverdueKind | None = None
    event: Literal["soon"] | None = None


async def _filters(request: Request) -> _BoardQuery:
    """Read the filters; forms send empty ones too."""
    try:
        return _BoardQuery.model_validate({name: value for name, value in request.query_params.items() if value})
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None


@router.get("/orders")
def orders(request: Request, context: ContextDep, query: Annotated[_BoardQuery, Depends(_filters)]) -> Response:
    """Show orders, newest first or by event, or those with something overdue, the worst first."""
    now = context.stores.accounts.now()
    wanted = query.filter(query.client, query.account)
    if query.late and query.client:
        raise rejected([FieldError("client", "cannot be combined with late")])
    if query.late:
        return _late_orders(request, context, query.late, wanted)
    if query.event:
        wanted = upcoming_filter(wanted, now)
    found = orders_page(context, wanted, _PAGE, query.cursor)
    selected = query.model_dump(mode="json", exclude={"late", "limit", "cursor"}, exclude_none=True)
    return page(
        request,
        "orders.html",
        orders=found.orders,
        filters=_choices(context, query),
        advice=labels.filter_advice(query.attention),
        stopped=_stopped(context, found.orders),
        newest=f"/orders?{urlencode(selected)}" if query.cursor else None,
        older=f"/orders?{urlencode({**selected, 'cursor': found.next_cursor})}" if found.next_cursor else None,
        dated=wanted.by_event or wanted.updated_since is not None,
        now=now,
    )


def _late_orders(request: Request, context: Context, late: OverdueKind, wanted: OrderFilter) -> Response:
    found = overdue_orders(context.stores, late, _PAGE, context.settings.sweeps.grace, wanted)
    return page(
        request,
        "late_orders.html",
        late=late.value,
        place=(wanted.account or wanted.provider) if late is OverdueKind.OVERDUE else None,
        found=found.orders,
        count=found.count,
        stopped=_stopped(context, (one.order for one in found.orders)),
        now=context.stores.accounts.now(),
    )


def _choices(context: Context, query: _BoardQuery) -> list[tuple[str, str, list[tuple[str, str]], str | None]]:
    """Return name, label, choices and current value of each filter."""
    providers = sorted(
        {account.provider for account in context.accounts.values()} | ({query.provider} if query.provider else set())
    )
    accounts = sorted({*context.accounts, *([query.account] if query.account else [])})
    reasons = [(ANY_REASON, "any reason"), *((each.value, labels.attention_label(each)) for each in Attention)]
    clients = sorted({*context.settings.api.clients, *([query.client] if query.client else [])})
    return [
        *([("client", "Client", [(name, name) for name in clients], query.client)] if clients else []),
        ("provider", "Provider", [(name, name) for name in providers], query.provider),
        ("account", "Account", [(key, key) for key in accounts], query.account),
        ("status", "Status", [(each.value, each.value) for each in Status], query.status),
        ("attention", "Needs attention", reasons, query.attention),
        ("event", "Event", [("soon", "within 24 h, without tickets")], query.event),
    ]


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


@router.get("/search")
def search_orders(request: Request, context: ContextDep, q: Annotated[str, Query(max_length=300)] = "") -> Response:
    """Find an order by its id or reference: redirect to its page, or list all that match."""
    found = search(context, q.strip())
    if len(found) == 1:
        return RedirectResponse(f"/orders/{quote(found[0].id, safe='')}", HTTPStatus.SEE_OTHER)
    return page(
        request,
        "search.html",
        orders=found,
        query=q.strip(),
        stopped=_stopped(context, found),
        now=context.stores.accounts.now(),
    )


def _stopped(context: Context, listed: Iterable[Order]) -> Mapping[str, str]:
    """Return the accounts of these orders that are stopped."""
    return stopped_accounts(context.stores, context.accounts, {order.account_key for order in listed})


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
