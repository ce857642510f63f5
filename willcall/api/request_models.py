"""JSON bodies of requests, beside `SubmitOrder`. Unknown fields are errors."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from willcall.api.problems import rejected
from willcall.api.security import Principal
from willcall.orders.errors import FieldError


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


#: Each item is validated on its own: an invalid order does not make the batch invalid.
_ORDER = {"$ref": "#/components/schemas/SubmitOrder"}


class Batch(_RequestModel):
    """Orders to submit, each independently of the others."""

    orders: list[Annotated[Any, WithJsonSchema(_ORDER)]] = Field(max_length=1_000)


def read_submission(payload: Any, principal: Principal, name: str) -> dict[str, Any]:
    """Return an order to submit, for the client that the key belongs to. Raises ApiError; `name`: of the payload."""
    if not isinstance(payload, dict):
        raise rejected([FieldError(name, "must be an object")])
    if payload.get("client") not in (None, principal.client):
        raise rejected([FieldError("client", "is decided by the key; leave it out")])
    return {**payload, "client": principal.client}
