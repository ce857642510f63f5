"""A list of orders as a page or, exported, as a whole."""

from typing import ClassVar

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from willcall.api.dependencies import OrdersQuery, orders_page
from willcall.api.problems import busy, rejected
from willcall.api.responses import SchemaResponse
from willcall.orders.errors import FieldError
from willcall.orders.serialization import order_schema
from willcall.schemas.orders import OrderPage
from willcall.stores.listing import OrderFilter
from willcall.usecases.context import Context
from willcall.views.order_columns import DEFAULT_COLUMNS, parse_columns
from willcall.views.order_export import MEDIA_TYPES, ExportFormat, export, pages_of

#: Parameters of a page, which an export does not have.
_PAGING = ("limit", "cursor")
#: Most exports that one process sends at the same time, so that slow clients leave room for other requests.
MOST_EXPORTS = 8


class ExportResponse(StreamingResponse):
    """An export, or a 503 while `MOST_EXPORTS` others are being sent."""

    sent_now: ClassVar[int] = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if ExportResponse.sent_now >= MOST_EXPORTS:
            await busy(f"more than {MOST_EXPORTS} exports at once").response()(scope, receive, send)
            return
        ExportResponse.sent_now += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            ExportResponse.sent_now -= 1


def list_response(context: Context, wanted: OrderFilter, query: OrdersQuery, accept: str) -> Response:
    """Return a page or an export, as the query says, else the header `Accept`. Raises ApiError."""
    written = query.format or _accepted_format(accept)
    if written is not None:
        return export_response(context, wanted, query, written)
    if query.columns:
        raise rejected([FieldError("columns", "is for exports; give a format too")])
    page = orders_page(context, wanted, query.limit, query.cursor)
    return SchemaResponse(OrderPage(items=tuple(map(order_schema, page.orders)), next_cursor=page.next_cursor))


def export_response(context: Context, wanted: OrderFilter, query: OrdersQuery, written: ExportFormat) -> Response:
    """Return all orders of a list. Errors are found before anything is sent. Raises ApiError."""
    given = [
        FieldError(name, "cannot be combined with an export") for name in _PAGING if name in query.model_fields_set
    ]
    if given:
        raise rejected(given)
    columns = parse_columns(query.columns) if query.columns else DEFAULT_COLUMNS
    return ExportResponse(
        export(pages_of(context.stores.listing, wanted), columns, written),
        media_type=MEDIA_TYPES[written],
        headers={"Content-Disposition": f'attachment; filename="orders.{written}"'},
    )


def _accepted_format(accept: str) -> ExportFormat | None:
    """Return the export that a header asks for first, `None` if it asks for JSON first or for anything."""
    for each in accept.split(","):
        media_type = each.partition(";")[0].strip().lower()
        for written, known in MEDIA_TYPES.items():
            if media_type == known:
                return written
        if media_type in {"application/json", "*/*"}:
            return None
    return None
