"""The list of orders: its filters, saved views, columns and exports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, ValidationError
from starlette.responses import RedirectResponse, Response

from willcall.api.board import labels
from willcall.api.board.errors import BoardRoute
from willcall.api.board.rendering import page
from willcall.api.board.search import search
from willcall.api.dependencies import ContextDep, OrdersQuery, orders_page
from willcall.api.order_conditions import ANY_REASON
from willcall.api.order_lists import export_response
from willcall.api.problems import rejected
from willcall.orders.errors import FieldError
from willcall.orders.model import Attention, Order, Status
from willcall.orders.submission import NAME_PATTERN, field_errors_of
from willcall.stores.listing import OrderFilter
from willcall.usecases.bulk import BulkAction
from willcall.usecases.context import Context
from willcall.views.accounts import stopped_accounts
from willcall.views.order_columns import parse_columns
from willcall.views.order_export import ExportFormat
from willcall.views.order_search import submission_search
from willcall.views.overdue import OverdueKind, overdue_orders
from willcall.views.upcoming import upcoming_filter

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: Orders a page.
_PAGE = 50
#: The filters that are times. The form sends them without a zone: they are UTC.
_TIMES = ("event_after", "event_before", "submitted_after", "submitted_before", "updated_since")

#: The saved views: label and query.
_VIEWS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("All orders", {}),
    ("Tonight, without tickets", {"event": "soon"}),
    ("Needs attention", {"attention": ANY_REASON}),
)


class _BoardQuery(OrdersQuery):
    """Which orders to show. `client`: a client's name.

    `late`: list only orders with this overdue. Only `overdue` can be combined with provider and account. `event`: list
    only open orders whose event is near or has begun.
    """

    client: str | None = Field(default=None, pattern=NAME_PATTERN)
    late: OverdueKind | None = None
    event: Literal["soon"] | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The query of this list, without its page."""
        given = self.model_dump(mode="json", exclude={"limit", "cursor", "format", "metadata"}, exclude_none=True)
        return given | {f"metadata.{name}": value for name, value in self.metadata.items()}


async def _query(request: Request) -> _BoardQuery:
    """Read the query; forms send empty fields, metadata as `NAME=VALUE`, and each column as a field of its own."""
    given = {name: value for name, value in request.query_params.items() if value}
    if "columns" in given:
        given["columns"] = ",".join(request.query_params.getlist("columns"))
    if "metadata" in given:
        name, equals, value = given.pop("metadata").partition("=")
        if not (name and equals):
            raise rejected([FieldError("metadata", "must be NAME=VALUE")])
        given[f"metadata.{name}"] = value
    for name in _TIMES:
        if name in given and len(given[name]) == len("2026-12-01T18:00"):
            given[name] += "Z"
    try:
        return _BoardQuery.model_validate(given)
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None


@router.get("/orders")
def orders(request: Request, context: ContextDep, query: Annotated[_BoardQuery, Depends(_query)]) -> Response:
    """Show orders, newest first or by event, or those with something overdue, the worst first."""
    now = context.stores.accounts.now()
    wanted = query.filter(context.settings, query.client)
    if query.late and (query.client or query.format):
        raise rejected([FieldError("client" if query.client else "format", "cannot be combined with late")])
    if query.late:
        return _late_orders(request, context, query.late, wanted)
    if query.event:
        wanted = upcoming_filter(wanted, now)
    if query.format:
        return export_response(context, wanted, query, query.format)
    found = orders_page(context, wanted, _PAGE, query.cursor)
    selected = query.parameters
    return page(
        request,
        "orders.html",
        orders=found.orders,
        columns=_columns(query, found.orders),
        chosen=_Chosen(context, query),
        title=next((label for label, view in _VIEWS if view and view == selected), "Orders"),
        views=[(label, _link(view), view == selected) for label, view in _VIEWS],
        exports=[(written.value, _link(selected, format=written.value)) for written in ExportFormat],
        actions=BulkAction,
        advice=labels.filter_advice(query.attention),
        stopped=_stopped(context, found.orders),
        newest=_link(selected) if query.cursor else None,
        older=_link(selected, cursor=found.next_cursor) if found.next_cursor else None,
        dated=wanted.by_event or wanted.updated_since is not None,
        now=now,
    )


@router.get("/search")
def search_orders(request: Request, context: ContextDep, q: Annotated[str, Query(max_length=300)] = "") -> Response:
    """Find orders by id or reference, or a part of it: redirect to the only one, or list all that match."""
    text = q.strip()
    found, older = search(context, text), None
    if text and not found:
        wanted = OrderFilter(submission=submission_search(context.settings, text, {}, None))
        parts = orders_page(context, wanted, _PAGE, None)
        found = parts.orders
        older = _link({"text": text}, cursor=parts.next_cursor) if parts.next_cursor else None
    if len(found) == 1 and not older:
        return RedirectResponse(f"/orders/{quote(found[0].id, safe='')}", HTTPStatus.SEE_OTHER)
    return page(
        request,
        "search.html",
        orders=found,
        columns=labels.default_columns(found),
        query=text,
        older=older,
        stopped=_stopped(context, found),
        now=context.stores.accounts.now(),
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
        stopped=_stopped(context, [one.order for one in found.orders]),
        now=context.stores.accounts.now(),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What the forms of the list show: the choices that there are, and those that are made."""

    context: Context
    query: _BoardQuery

    @property
    def choices(self) -> list[tuple[str, str, list[tuple[str, str]], str | None]]:
        """Name, label, choices and current value of each filter that is a choice."""
        context, query = self.context, self.query
        of_accounts = {account.provider for account in context.accounts.values()}
        providers = sorted(of_accounts | ({query.provider} if query.provider else set()))
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

    @property
    def texts(self) -> list[tuple[str, str, str]]:
        """Name, label and value of each filter that is a text."""
        metadata = "".join(f"{name}={value}" for name, value in [*self.query.metadata.items()][:1])
        return [
            ("group", "Group", self.query.group or ""),
            ("host", "Callback host", self.query.host or ""),
            ("metadata", "Metadata (NAME=VALUE)", metadata),
        ]

    @property
    def times(self) -> list[tuple[str, str, str]]:
        """Name, label and value of each filter that is a time."""
        moments = [(name, getattr(self.query, name)) for name in _TIMES]
        return [
            (name, f"{labels.column_label(name)} (UTC)", f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M}" if moment else "")
            for name, moment in moments
        ]

    @property
    def has_more(self) -> bool:
        """Whether one of the filters is used that are not always shown."""
        return any(value for _, _, value in (*self.texts, *self.times))

    @property
    def hidden(self) -> dict[str, str]:
        """What the form of the columns keeps."""
        return {name: value for name, value in self.query.parameters.items() if name != "columns"}


def _columns(query: _BoardQuery, listed: Sequence[Order]) -> Sequence[str]:
    if not query.columns:
        return labels.default_columns(listed)
    return [column for column in parse_columns(query.columns) if column != "id"]


def _link(selected: Mapping[str, str], **more: Any) -> str:
    query = urlencode({**selected, **more})
    return f"/orders?{query}" if query else "/orders"


def _stopped(context: Context, listed: Sequence[Order]) -> Mapping[str, str]:
    """Return the accounts of these orders that are stopped."""
    return stopped_accounts(context.stores, context.accounts, {order.account_key for order in listed})
