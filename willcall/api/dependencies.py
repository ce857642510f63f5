"""Dependencies of route handlers, and query parameters."""

from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from willcall.api.order_conditions import Cursor, OrderConditions
from willcall.api.problems import ProblemError, ProblemType, rejected
from willcall.api.request_models import Override
from willcall.api.security import Principal, PrincipalDep, Role
from willcall.orders.errors import FieldError, UnknownOrderError
from willcall.orders.submission import OrderId, field_errors_of
from willcall.stores.listing import ListingPage, OrderFilter
from willcall.usecases.context import Context
from willcall.views.order_columns import parse_columns
from willcall.views.order_export import ExportFormat

#: Largest and default number of items per page. Orders and events may hold many tickets.
MAX_PAGE_SIZE, PAGE_SIZE = 500, 50
#: Most seconds that a call waits for an event. Proxies often end connections that are silent for a minute.
MAX_WAIT = 30.0

_ORDER_ID: TypeAdapter[str] = TypeAdapter(OrderId)


async def get_context(request: Request) -> Context:
    return request.app.state.current_context()  # type: ignore[no-any-return]


async def valid_order_id(order_id: Annotated[str, Path(description="The order's id.", examples=["cart-42"])]) -> str:
    """Return the order id of the path. Raises UnknownOrderError if it is no valid id."""
    try:
        return _ORDER_ID.validate_python(order_id)
    except ValidationError:
        raise UnknownOrderError("of this id") from None


async def visible_order_id(
    order_id: Annotated[str, Depends(valid_order_id)],
    context: Annotated[Context, Depends(get_context)],
    principal: PrincipalDep,
) -> str:
    """Return the order id of the path. Raises UnknownOrderError for another client's order, as if it did not exist."""
    client = principal.client
    if client is not None and await run_in_threadpool(context.stores.orders.client_of, order_id) != client:
        raise UnknownOrderError(order_id)
    return order_id


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NoQuery(_Query):
    """For calls without query parameters."""


def _known_columns(text: str | None) -> str | None:
    if text is not None:
        parse_columns(text)
    return text


#: Characters of the names of columns.
_LONGEST_COLUMNS = 2_000


class OrdersQuery(OrderConditions):
    """Filters, paging and export of orders."""

    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Orders per page.")
    cursor: Cursor | None = Field(default=None, description="The `next_cursor` of the previous page.")
    format: ExportFormat | None = Field(
        default=None,
        description="Send the whole list instead of a page, as CSV or JSON Lines. The header `Accept` may say so too.",
    )
    columns: Annotated[str | None, AfterValidator(_known_columns)] = Field(
        default=None,
        max_length=_LONGEST_COLUMNS,
        description="The columns of an export, separated by commas: names of an order's fields, `callback_host`, and "
        "`metadata.NAME`.",
    )


class EventsQuery(_Query):
    """Paging of events."""

    after: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,15}-[0-9]{1,15}$",
        description="The `next_cursor` of the previous page. Without it, the feed starts at the oldest stored event.",
    )
    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Events per page.")
    wait: float = Field(
        default=0, ge=0, le=MAX_WAIT, description="Seconds to wait for an event if there is none; 0 answers at once."
    )


class DeadLettersQuery(_Query):
    """Paging of dead letters."""

    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Dead letters per page.")
    cursor: str | None = Field(
        default=None, pattern=r"^[0-9]{1,19}-[0-9]{1,19}$", description="The `next_cursor` of the previous page."
    )


def orders_page(context: Context, query: OrderFilter, limit: int, cursor: str | None) -> ListingPage:
    """Return a page of orders. Raises ApiError for a cursor of another list."""
    try:
        return context.stores.listing.page(query, limit, cursor)
    except ValueError:
        raise rejected([FieldError("cursor", "is not a cursor of this list")]) from None


ContextDep = Annotated[Context, Depends(get_context)]
OrderIdDep = Annotated[str, Depends(visible_order_id)]


async def _only_key(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Your own key of the call, in place of `id`: the same key is the same order.",
        ),
    ] = None,
) -> str | None:
    """Return the key. Of two, a proxy may change the order, and the call would not be the same when it is repeated."""
    if len(request.headers.getlist("Idempotency-Key")) > 1:
        raise rejected([FieldError("Idempotency-Key", "must be given once")])
    return key


IdempotencyKey = Annotated[str | None, Depends(_only_key)]
NoParameters = Annotated[NoQuery, Query()]


def override_requested(payload: object, principal: Principal) -> bool:
    """Return whether to poll in spite of the provider's hint, which no client may. Raises ApiError."""
    try:
        override = Override.model_validate(payload).now
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None
    if override and principal.role is Role.CLIENT:
        raise ProblemError(ProblemType.FORBIDDEN, "the key of a client cannot poll before the provider allows it")
    return override
