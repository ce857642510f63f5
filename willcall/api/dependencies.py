"""What handlers are given, and what callers may ask for."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from willcall.api.problems import rejected
from willcall.api.schemas import Override
from willcall.orders.errors import UnknownOrderError
from willcall.orders.model import Attention, Status
from willcall.orders.submission import OrderId, field_errors_of
from willcall.providers.registry import ADAPTERS
from willcall.usecases.context import Context

#: Largest page, and the page of a caller who does not say. Orders and events may hold many tickets.
MAX_PAGE_SIZE, PAGE_SIZE = 500, 50

_ORDER_ID: TypeAdapter[str] = TypeAdapter(OrderId)


async def get_context(request: Request) -> Context:
    """What use cases are given."""
    return request.app.state.context  # type: ignore[no-any-return]


async def valid_order_id(order_id: Annotated[str, Path(description="The order's id.", examples=["cart-42"])]) -> str:
    """The order id of the path. Raises UnknownOrderError where no order could have it."""
    try:
        return _ORDER_ID.validate_python(order_id)
    except ValidationError:
        raise UnknownOrderError("of this id") from None


#: The filter for orders that need attention for whatever reason, and all such filters.
ANY_REASON = "true"
_ATTENTIONS = (ANY_REASON, *Attention)
_PROVIDERS = sorted(ADAPTERS)


def _one_of(known: Sequence[str]) -> AfterValidator:
    def check(name: str | None) -> str | None:
        if name in {None, *known}:
            return name
        raise ValueError(f"there is {', '.join(known)}")

    return AfterValidator(check)


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NoQuery(_Query):
    """Of calls that take no query parameters."""


class OrdersQuery(_Query):
    """Which orders to list."""

    status: Status | None = Field(default=None, description="Only orders of this status.")
    provider: Annotated[str | None, _one_of(_PROVIDERS)] = Field(
        default=None, description="Only orders at this provider.", json_schema_extra={"enum": [*_PROVIDERS]}
    )
    attention: Annotated[str | None, _one_of(_ATTENTIONS)] = Field(
        default=None,
        description="Only orders that a person should look at: for any reason (`true`), or for this one.",
        json_schema_extra={"enum": [*_ATTENTIONS]},
    )
    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Orders a page.")
    cursor: str | None = Field(
        default=None, pattern=r"^[0-9]{1,15}$", description="The `next_cursor` of the page before."
    )

    @property
    def reasons(self) -> frozenset[Attention] | None:
        """The reasons for attention: empty for any, None where none is asked for."""
        if self.attention is None:
            return None
        return frozenset() if self.attention == ANY_REASON else frozenset({Attention(self.attention)})


class EventsQuery(_Query):
    """Which events to list."""

    after: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,15}-[0-9]{1,15}$",
        description="The `next_cursor` of the page before; without it, from the oldest event kept.",
    )
    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Events a page.")


class DeadLettersQuery(_Query):
    """Which dead letters to list."""

    limit: int = Field(default=PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE, description="Dead letters a page.")
    cursor: str | None = Field(
        default=None, pattern=r"^[0-9]{1,19}-[0-9]{1,19}$", description="The `next_cursor` of the page before."
    )


ContextDep = Annotated[Context, Depends(get_context)]
OrderIdDep = Annotated[str, Depends(valid_order_id)]
NoParameters = Annotated[NoQuery, Query()]


def override_requested(payload: object) -> bool:
    """Return whether a body asks for a request in spite of the provider's hint. Raises ApiError."""
    try:
        return Override.model_validate(payload).now
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None
