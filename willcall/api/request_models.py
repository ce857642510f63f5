"""JSON bodies of requests, besides `SubmitOrder`. Unknown fields are errors."""

from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from willcall.api.order_conditions import Cursor, OrderConditions
from willcall.api.problems import rejected
from willcall.api.security import Principal
from willcall.orders.errors import FieldError
from willcall.orders.idempotency import id_from_key
from willcall.orders.samples import SAMPLES
from willcall.orders.submission import CallbackUrl, OrderId, Time, field_errors_of
from willcall.usecases.bulk import MOST_ORDERS, BulkAction

_Model = TypeVar("_Model", bound=BaseModel)


class _RequestModel(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


#: Words of an operator for a history.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Pause(_RequestModel):
    """How long to pause, and why."""

    seconds: float | None = Field(
        default=None, strict=True, gt=0, le=366 * 86_400, description="If left out, until the account is resumed."
    )
    reason: Reason | None = Field(default=None, description="Why, for the account's history.")


class Override(_RequestModel):
    """Whether to poll before the provider's `Retry-After` has passed."""

    now: bool = Field(
        default=False, strict=True, description="Poll even before the provider's `Retry-After` has passed."
    )


def _sample(name: str) -> str:
    if name not in SAMPLES:
        raise ValueError(f"must be one of {', '.join(SAMPLES)}")
    return name


class Redeliveries(_RequestModel):
    """Which orders' latest events to deliver again. At least one of `since` and `undelivered` is required."""

    since: Time | None = Field(default=None, description="Orders with an event since then (RFC 3339).")
    undelivered: bool = Field(
        default=False, strict=True, description="Only orders whose latest event was not delivered yet."
    )
    cursor: str | None = Field(
        default=None, max_length=64, description="The `next_cursor` of an earlier call, to continue it."
    )

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if self.since is None and not self.undelivered:
            raise ValueError("one of since and undelivered is required")
        return self


class Bulk(_RequestModel):
    """What to do with which orders: those of `ids`, or those that `filter` finds."""

    action: BulkAction = Field(description="What to do with each order.")
    ids: list[OrderId] | None = Field(default=None, min_length=1, max_length=MOST_ORDERS, description="Their ids.")
    conditions: OrderConditions | None = Field(
        default=None, alias="filter", description="The filters of the list of orders; at least one."
    )
    limit: int = Field(
        default=MOST_ORDERS, strict=True, ge=1, le=MOST_ORDERS, description="With a filter: at most so many orders."
    )
    cursor: Cursor | None = Field(
        default=None, description="With a filter: the `next_cursor` of an earlier call, to continue it."
    )

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if (self.ids is None) == (self.conditions is None):
            raise ValueError("one of ids and filter is required, not both")
        if self.conditions is not None and not self.conditions.model_dump(exclude_defaults=True):
            raise ValueError("the filter needs at least one condition")
        return self


class Look(_RequestModel):
    """What to look at. `quantity` is required for a reference that stands for all that a user has bought."""

    provider: str = Field(description="The provider.")
    reference: str = Field(description="The provider's reference of the order.")
    account: str = Field(default="default", description="The account at the provider.")
    quantity: int | None = Field(default=None, strict=True, description="How many tickets were bought.")
    language: str | None = Field(default=None, description="The language of the tickets, such as en.")


class Trigger(_RequestModel):
    """Which sample to send, and where."""

    status: Annotated[str, AfterValidator(_sample), Field(json_schema_extra={"enum": [*SAMPLES]})] = Field(
        description="The event: a status to which an order came, or updated, attention or at_risk."
    )
    callback_url: CallbackUrl | None = Field(
        default=None, description="Where to send it; by default to the configured callback URL."
    )
    client: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="For operators: the client whose callback URL and secret to use."
    )


#: Each item is validated on its own: an invalid order does not make the batch invalid.
_ORDER = {"$ref": "#/components/schemas/SubmitOrder"}


class Batch(_RequestModel):
    """Orders to submit, each independently of the others."""

    orders: list[Annotated[Any, WithJsonSchema(_ORDER)]] = Field(max_length=1_000)


def read_submission(
    payload: Any, principal: Principal, name: str, idempotency_key: str | None = None, item: int | None = None
) -> dict[str, Any]:
    """Return an order to submit, for the client that the API key belongs to, with the id of its idempotency key.

    `name`: of the payload. `item`: its position in a batch. Raises ApiError.
    """
    if not isinstance(payload, dict):
        raise rejected([FieldError(name, "must be an object")])
    if payload.get("client") not in (None, principal.client):
        raise rejected([FieldError("client", "is decided by the key; leave it out")])
    submission = {**payload, "client": principal.client}
    if idempotency_key is None or (item is not None and "id" in payload):
        return submission
    try:
        order_id = id_from_key(idempotency_key, principal.client, item)
    except ValueError as error:
        raise rejected([FieldError("Idempotency-Key", str(error))]) from None
    if payload.get("id", order_id) not in (order_id, idempotency_key):
        raise rejected([FieldError("id", "differs from the Idempotency-Key; leave one of them out")])
    return {**submission, "id": payload.get("id", order_id)}


def read_model(model: type[_Model], payload: Any) -> _Model:
    """Return a JSON body as a model. Raises ApiError with all its errors."""
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        raise rejected(field_errors_of(error)) from None
