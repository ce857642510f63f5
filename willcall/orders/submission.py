"""Validation of the payload that submits an order."""

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid4, uuid5

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from willcall.orders.errors import FieldError, RejectedOrderError
from willcall.orders.model import DeliverySpeed, Order, Status
from willcall.setting_types.secrets import HeaderSecret

#: Limits of `metadata`: characters in total, and entries.
MAX_METADATA_CHARACTERS, MAX_METADATA_ENTRIES = 16_384, 500
#: Characters of a credential; servers take headers of 8 kB. How the names of credentials look, and how many there are.
MAX_CREDENTIAL_LENGTH = 7_000
_CREDENTIAL, _MAX_CREDENTIALS = re.compile(r"[a-z][a-z_]{0,39}"), 4
#: Seconds by which the clocks of two machines may differ.
_CLOCK_DIFFERENCE = 300
#: More fields than any payload has.
_MAX_FIELDS = 100
#: Most errors of a payload that are listed.
MAX_FIELD_ERRORS = 25
#: Characters of a field's path that are shown.
_MAX_PATH = 100

_ORDER_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@~-]{0,127}$"
#: Valid names of providers and accounts.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"

_PATTERN_MESSAGES = {
    _ORDER_ID_PATTERN: "only letters, digits and . _ : @ ~ - are allowed, starting with a letter or digit (max 128)",
    NAME_PATTERN: "only letters, digits, _ and - are allowed, starting with a letter or digit (max 64)",
    _LANGUAGE_PATTERN: "must be a language tag such as en or nl-BE",
}
_NO_TIME = "must be a time in ISO 8601 with a time zone, such as 2026-11-22T10:00:00Z"
#: Messages in place of pydantic's, which address programmers; their fields are those of its context.
_MESSAGES = {
    "missing": "is missing",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "has too few entries",
    "too_long": "must have at most {max_length:,} entries",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length:,} characters",
    "string_too_long": "must have at most {max_length:,} characters",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:,}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:,}",
    "less_than_equal": "must be at most {le:,}",
    "timezone_aware": _NO_TIME,
    "datetime_type": _NO_TIME,
    "datetime_parsing": _NO_TIME,
    "datetime_from_date_parsing": _NO_TIME,
    "datetime_object_invalid": _NO_TIME,
    "extra_forbidden": "is not recognized",
    "string_pattern_mismatch": "has an invalid form",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Limits of an order's times: sums of them and durations must still be valid dates.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def check_printable(value: str) -> str:
    """Return text without control characters. Raises ValueError."""
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return value


def _iso_8601(value: object) -> object:
    """Reject plain numbers, which pydantic reads as seconds or as milliseconds depending on their size."""
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        return value
    raise ValueError(_NO_TIME)


def _plausible(value: datetime) -> datetime:
    if not EARLIEST <= value <= LATEST:
        raise ValueError(f"must be between {EARLIEST.year} and {LATEST.year}")
    return value


def check_web_url(value: str) -> str:
    """Return a URL that callbacks may be sent to. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http(s) URL")
    if "@" in parts.netloc:
        raise ValueError("must not contain credentials: callbacks are signed instead")
    return check_printable(value)


def _limit_entries(value: object) -> object:
    if isinstance(value, dict) and len(value) > MAX_METADATA_ENTRIES:
        raise ValueError(f"must have at most {MAX_METADATA_ENTRIES} entries")
    return value


def _limit_size(value: dict[str, str]) -> dict[str, str]:
    try:
        "".join([*value, *value.values()]).encode()
    except UnicodeEncodeError:
        raise ValueError("contains text that UTF-8 cannot encode") from None
    if sum(len(name) + len(text) for name, text in value.items()) > MAX_METADATA_CHARACTERS:
        raise ValueError(f"must be at most {MAX_METADATA_CHARACTERS:,} characters in total")
    return value


def is_order_id(text: str) -> bool:
    return re.fullmatch(_ORDER_ID_PATTERN, text) is not None


def id_from_task(task_id: str) -> str:
    """Return the id of an order that a Celery task submits without one. A redelivered message makes no second order."""
    return f"ord_{uuid5(NAMESPACE_OID, task_id).hex}"


def _check_names(value: object) -> object:
    """Check the names of credentials. The error must not show them: somebody may have put the secret there."""
    names = value if isinstance(value, dict) else {}
    if len(names) > _MAX_CREDENTIALS or not all(
        isinstance(name, str) and _CREDENTIAL.fullmatch(name) for name in names
    ):
        raise ValueError("must have only the provider's name of a credential, such as cognito_token")
    return value


def _limit_secrets(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    if any(len(secret) > MAX_CREDENTIAL_LENGTH for secret in value.values()):
        raise ValueError(f"must be at most {MAX_CREDENTIAL_LENGTH:,} characters each")
    return value


def _new_id() -> str:
    return f"ord_{uuid4().hex}"


def _not_in_the_future(value: datetime) -> datetime:
    if value.timestamp() > time.time() + _CLOCK_DIFFERENCE:
        raise ValueError("must not be in the future")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_iso_8601), AfterValidator(_plausible)]
_URL = Field(json_schema_extra={"format": "uri", "pattern": "^https?://[^/]"})

Quantity = Annotated[int, Field(strict=True, ge=1, le=10_000)]
CallbackUrl = Annotated[str, _URL, StringConstraints(max_length=2_048), AfterValidator(check_web_url)]
OrderId = Annotated[str, StringConstraints(pattern=_ORDER_ID_PATTERN)]
Group = Annotated[
    str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True), AfterValidator(check_printable)
]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


def _without_default(schema: dict[str, Any]) -> None:
    """Remove the default of a field that has none: if it is left out, nothing changes."""
    schema.pop("default", None)


#: Credentials of an order's own user by the provider's names for them.
UserCredentials = Annotated[dict[str, HeaderSecret], BeforeValidator(_check_names), AfterValidator(_limit_secrets)]


class SubmitOrder(BaseModel):
    """A purchase whose tickets are wanted. Only `provider` and `reference` are required."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    provider: Name
    """Where you bought it."""
    reference: Annotated[
        str,
        StringConstraints(min_length=1, max_length=256, strip_whitespace=True),
        AfterValidator(check_printable),
    ]
    """The provider's own name for the order."""
    id: OrderId = Field(default_factory=_new_id)
    """Your own key. It makes submitting idempotent. Without it, Willcall generates one."""
    account: Name = "default"
    """Which credentials to use."""
    quantity: Quantity | None = None
    """How many tickets you bought. Required for a reference that stands for all that a user has bought."""
    not_before: Time | None = None
    """The order is not polled before."""
    bought_at: Annotated[Time, AfterValidator(_not_in_the_future)] | None = None
    """In a user's list, older tickets belong to other orders. Without it, a day before submission."""
    delivery: DeliverySpeed = DeliverySpeed.INSTANT
    """`delayed` for products that are known to take long."""
    callback_url: CallbackUrl | None = None
    """Where the order's events are sent. Without it, to the configured address."""
    language: Annotated[str, StringConstraints(pattern=_LANGUAGE_PATTERN)] | None = None
    """Passed on to providers that accept one, such as `en` or `nl-BE`."""
    metadata: Annotated[dict[str, str], BeforeValidator(_limit_entries), AfterValidator(_limit_size)] = Field(
        default_factory=dict
    )
    """Your own texts, returned with the order."""
    client: Name | None = None
    """The backend that the order belongs to. Over HTTP, the key decides it: leave it out."""
    allow_duplicate: Annotated[bool, Field(strict=True)] = False
    """Whether another open order may have the same reference."""
    credentials: UserCredentials = Field(default_factory=dict, repr=False)
    """Those of the order's own user, in place of the account's. They are never shown."""
    event_at: Time | None = None
    """When the customer goes in. It makes the order urgent as it comes near."""
    group: Group | None = None
    """Your name for orders that are usually issued together, such as those of one performance."""

    def order(self) -> Order:
        """Return the order to store. The store sets its times by the server's clock."""
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
            not_before=epoch_seconds(self.not_before),
            bought_at=epoch_seconds(self.bought_at),
            callback_url=self.callback_url,
            metadata=self.metadata,
            client=self.client,
            event_at=epoch_seconds(self.event_at),
            group=self.group,
        )


class AmendOrder(BaseModel):
    """Corrections of what was submitted. What is left out stays; null removes it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    quantity: Quantity = Field(default=1, json_schema_extra=_without_default)
    event_at: Time | None = Field(default=None, json_schema_extra=_without_default)
    callback_url: CallbackUrl | None = Field(default=None, json_schema_extra=_without_default)
    credentials: UserCredentials = Field(default_factory=dict, min_length=1, repr=False)

    def changes(self) -> dict[str, Any]:
        """Return the fields of `Order` that were given, which the credentials are none of."""
        values = {
            "quantity": self.quantity,
            "event_at": epoch_seconds(self.event_at),
            "callback_url": self.callback_url,
        }
        return {name: value for name, value in values.items() if name in self.model_fields_set}


def epoch_seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def parse_submission(payload: Mapping[str, Any]) -> SubmitOrder:
    """Return the validated payload. Raises RejectedOrderError with everything that is wrong with it."""
    if len(payload) > _MAX_FIELDS:
        raise RejectedOrderError([FieldError("", f"has more than {_MAX_FIELDS} fields")])
    try:
        return SubmitOrder.model_validate(dict(payload))
    except ValidationError as error:
        raise RejectedOrderError(truncate_errors(field_errors_of(error))) from None


def parse_amendment(payload: Mapping[str, Any]) -> AmendOrder:
    """Return the validated payload. Raises RejectedOrderError with everything that is wrong with it."""
    if not payload:
        raise RejectedOrderError(
            [FieldError("body", "must have a field to change: quantity, event_at, callback_url or credentials")]
        )
    try:
        return AmendOrder.model_validate(dict(payload))
    except ValidationError as error:
        raise RejectedOrderError(truncate_errors(field_errors_of(error))) from None


def truncate_errors(errors: list[FieldError]) -> list[FieldError]:
    """Return the first errors and how many more there are, so that no payload makes a long response."""
    more = len(errors) - MAX_FIELD_ERRORS
    return errors if more <= 1 else [*errors[:MAX_FIELD_ERRORS], FieldError("", f"and {more:,} more errors")]


def field_errors_of(error: ValidationError) -> list[FieldError]:
    """Return pydantic's errors without the values that they are about."""
    return field_errors_from(error.errors(include_url=False, include_input=False))


def field_errors_from(items: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Return the items of `ValidationError.errors()` without the values that they are about."""
    return [FieldError(_path(item["loc"]), _message(item)) for item in items]


def _path(location: Iterable[str | int]) -> str:
    return ".".join(map(str, location))[:_MAX_PATH] or "body"


def _message(item: Mapping[str, Any]) -> str:
    details = item.get("ctx", {})
    if details.get("min_length") == 1 and item["type"] == "string_too_short":
        return "must not be empty"
    if message := _PATTERN_MESSAGES.get(details.get("pattern")) or _MESSAGES.get(item["type"]):
        return message.format_map(details)
    return str(item["msg"]).removeprefix("Value error, ")
