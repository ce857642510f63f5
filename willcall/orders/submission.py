"""The payload of `submit`, checked."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from willcall.orders.errors import FieldError, RejectedOrderError
from willcall.orders.model import DeliverySpeed, Order, Status

#: Everything in `metadata` together, characters, and its entries.
MAX_METADATA_CHARACTERS, MAX_METADATA_ENTRIES = 16_384, 500
#: More fields than any payload has.
_MOST_FIELDS = 100
#: Problems of a payload that are told one by one.
MAX_FIELD_ERRORS = 25
#: Characters of a field's path that are told.
_LONGEST_PATH = 100

#: Our words for what pydantic says to programmers.
_WORDS = {
    "missing": "is missing",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "extra_forbidden": "is not known",
    "string_pattern_mismatch": "has characters or a form that cannot be taken",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Where the moments are that an order can begin at: what follows from them must still be a date.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _printable(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return value


def _iso_8601(value: object) -> object:
    """Only what looks like a time: a bare number would be read as seconds or as milliseconds, by its size."""
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        return value
    raise ValueError("must be a time in ISO 8601 with a time zone, such as 2026-11-22T10:00:00Z")


def _plausible(value: datetime) -> datetime:
    if not EARLIEST <= value <= LATEST:
        raise ValueError(f"must be between {EARLIEST.year} and {LATEST.year}")
    return value


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http(s) URL")
    if "@" in parts.netloc:
        raise ValueError("must hold no credentials: what is sent there is signed")
    return _printable(value)


def _few(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_METADATA_ENTRIES:
        raise ValueError(f"must not have more than {MAX_METADATA_ENTRIES} entries")
    return value


def _small(value: dict[str, str]) -> dict[str, str]:
    try:
        "".join([*value, *value.values()]).encode()
    except UnicodeEncodeError:
        raise ValueError("must be text that UTF-8 can hold") from None
    if sum(len(name) + len(text) for name, text in value.items()) > MAX_METADATA_CHARACTERS:
        raise ValueError(f"must not be longer than {MAX_METADATA_CHARACTERS} characters in all")
    return value


def _made_id() -> str:
    return f"ord_{uuid4().hex}"


_URL = Field(json_schema_extra={"format": "uri", "pattern": "^https?://[^/]"})

OrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@~-]{0,127}$")]
#: What providers and accounts may be called.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class SubmitOrder(BaseModel):
    """One purchase whose tickets are wanted. `provider` and `reference` are required.

    `reference` is what the provider knows the order by; `id` is the caller's own key and makes submitting
    idempotent; `not_before` is the first moment at which asking makes sense; `delivery` is `delayed` for
    products known to take long. Of a user's list, what is older than `bought_at` is not this order's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: Name
    reference: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256, strip_whitespace=True),
        AfterValidator(_printable),
    ]
    id: OrderId = Field(default_factory=_made_id)
    account: Name = "default"
    quantity: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    not_before: Annotated[AwareDatetime, BeforeValidator(_iso_8601), AfterValidator(_plausible)] | None = None
    bought_at: Annotated[AwareDatetime, BeforeValidator(_iso_8601), AfterValidator(_plausible)] | None = None
    delivery: DeliverySpeed = DeliverySpeed.INSTANT
    callback_url: Annotated[str, _URL, StringConstraints(max_length=2_048), AfterValidator(_web_url)] | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    metadata: Annotated[dict[str, str], BeforeValidator(_few), AfterValidator(_small)] = Field(default_factory=dict)

    def order(self) -> Order:
        """The order to file; the store sets its times by the server's clock."""
        return Order(
            id=self.id,
            provider=self.provider,
            account=self.account,
            reference=self.reference,
            status=Status.PENDING,
            submitted_at=0.0,
            deadline_at=0.0,
            quantity=self.quantity,
            delivery=self.delivery,
            language=self.language,
            not_before=None if self.not_before is None else self.not_before.timestamp(),
            bought_at=None if self.bought_at is None else self.bought_at.timestamp(),
            callback_url=self.callback_url,
            metadata=self.metadata,
        )


def parse_submission(payload: Mapping[str, Any]) -> SubmitOrder:
    """The checked payload. Raises RejectedOrderError with everything that is wrong with it."""
    if len(payload) > _MOST_FIELDS:
        raise RejectedOrderError([FieldError("", f"has more than {_MOST_FIELDS} fields")])
    try:
        return SubmitOrder.model_validate(dict(payload))
    except ValidationError as error:
        raise RejectedOrderError(truncate_errors(field_errors_of(error))) from None


def truncate_errors(problems: list[FieldError]) -> list[FieldError]:
    """Return the first problems, and how many more there are: an answer must not grow with what is wrong."""
    more = len(problems) - MAX_FIELD_ERRORS
    return problems if more <= 1 else [*problems[:MAX_FIELD_ERRORS], FieldError("", f"and {more:,} more")]


def field_errors_of(error: ValidationError) -> list[FieldError]:
    """Pydantic's complaints as ours, without the values complained of."""
    return field_errors_from(error.errors(include_url=False, include_context=False, include_input=False))


def field_errors_from(complaints: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """The same from pydantic's list of them."""
    return [FieldError(_path(item["loc"]), _words(item)) for item in complaints]


def _path(location: Iterable[str | int]) -> str:
    return ".".join(map(str, location))[:_LONGEST_PATH] or "body"


def _words(complaint: Mapping[str, Any]) -> str:
    return _WORDS.get(complaint["type"]) or str(complaint["msg"]).removeprefix("Value error, ")
