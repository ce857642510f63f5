"""Dependencies of route handlers, and query parameters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from willcall.api.problems import ProblemError, ProblemType, rejected
from willcall.api.request_models import Override
from willcall.api.security import Principal, PrincipalDep, Role
from willcall.orders.errors import FieldError, UnknownOrderError
from willcall.orders.model import Attention, Status
from willcall.orders.submission import Group, OrderId, Time, field_errors_of
from willcall.providers.registry import ADAPTERS
from willcall.stores.listing import ListingPage, OrderFilter
from willcall.usecases.context import Context

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


#: The filter for orders that need attention for any reason, and all such filters.
ANY_REASON = "true"
_ATTENTIONS = (ANY_REASON, *Attention)
_PROVIDERS = sorted(ADAPTERS)


def _one_of(known: Sequence[str]) -> AfterValidator:
    def check(name: str | None) -> str | None:
        if name in {None, *known}:
            return name
        raise ValueError(f"must be one of {', '.join(known)}")

    return AfterValidator(check)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NoQuery(_Query):
    """For calls without query parameters."""


class OrdersQuery(_Query):
    """Filters and paging of orders."""

    status: Status | None = Field(default=None, description="Only orders with this status.")
    provider: Annotated[str | None, _one_of(_PROVIDERS)] = Field(
        default=None, description="Only orders at this provider.", json_schema_extra={"enum": [*_PROVIDERS]}
    )
    attention: Annotated[str | None, _one_of(_ATTENTIONS)] = Field(
        default=None,
        description="Only orders that need attention: for any reason (`true`), or for this one.",
        json_schema_extra={"enum": [*_ATTENTIONS]},
    )
    event_before: Time | None = Field(
        default=None, description="Only orders whose event is before; the soonest event comes first."
    )
    event_after: Time | None = Field(
        default=None, description="Only orders whose event is then or later; the soonest event comes first."
    )
    updated_since: Time | None = Field(
        default=None, description="Only orders that changed then or later; the earliest change comes first."
    )
    group: Group | None = Field(default=None, description="Only orders that were submitted with this `group`.")
    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Orders per page.")
    cursor: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,16}(:[A-Za-z0-9._:@~-]{1,128})?$",
        description="The `next_cursor` of the previous page.",
    )

    def filter(self, client: str | None, account: str | None = None) -> OrderFilter:
        """Return which orders to list, of a client and of an account (its key)."""
        return OrderFilter(
            self.status,
            self.provider,
            self.reasons,
            account,
            client,
            event_before=_seconds(self.event_before),
            event_after=_seconds(self.event_after),
            updated_since=_seconds(self.updated_since),
            group=self.group,
        )

    @property
    def reasons(self) -> frozenset[Attention] | None:
        """The reasons for attention: empty for any reason, `None` without that filter."""
        if self.attention is None:
            return None
        return frozenset() if self.attention == ANY_REASON else frozenset({Attention(self.attention)})


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
