"""JSON bodies of requests, beside `SubmitOrder`. Unknown fields are errors."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema


class _RequestModel(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Pause(_RequestModel):
    """How long to pause."""

    seconds: float | None = Field(
        default=None, strict=True, gt=0, le=366 * 86_400, description="If left out, until the account is resumed."
    )


class Override(_RequestModel):
    """Whether to poll before the provider's `Retry-After` has passed."""

    now: bool = Field(
        default=False, strict=True, description="Poll even before the provider's `Retry-After` has passed."
    )


#: Each item is validated on its own: an invalid order does not make the batch invalid.
_ORDER = {"anyOf": [{"$ref": "#/components/schemas/SubmitOrder"}, {}]}


class Batch(_RequestModel):
    """Orders to submit, each independently of the others."""

    orders: list[Annotated[Any, WithJsonSchema(_ORDER)]] = Field(max_length=1_000)
