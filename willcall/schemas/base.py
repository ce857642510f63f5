"""Reading and writing dataclasses as JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints


class OneOf:
    """The values that a field has today, for the OpenAPI document. Readers must accept others."""

    def __init__(self, *values: str | int) -> None:
        self.values = values

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(core_schema), "enum": [*self.values]}


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Base of all JSON shapes. Times are aware datetimes, in UTC.

    A field with `metadata=OPTIONAL` is left out of the JSON if it is `None`.
    """

    # The strings below fields are their descriptions in the OpenAPI document.
    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    def to_json(self) -> dict[str, Any]:
        shape: Any = type(self)  # not `type[Self]`, which mypy takes for unhashable
        return {
            name: _dump(value)
            for name, optional in _written_fields(shape)
            if (value := getattr(self, name)) is not None or not optional
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Ignore unknown fields, so that newer servers may add some. Raises KeyError for a missing required field."""
        shape: Any = cls
        return cls(
            **{
                name: _load(hint, document[name])
                for name, hint, required in _read_fields(shape)
                if required or name in document
            }
        )


#: The `metadata` of a field that is left out of the JSON if it is `None`.
OPTIONAL = {"optional": True}


def format_utc(moment: datetime) -> str:
    """Return a UTC time such as `2026-11-22T10:00:00Z`, with milliseconds only if there are any."""
    precision = "milliseconds" if moment.microsecond >= 1_000 else "seconds"  # noqa: PLR2004 - 1 ms
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def utc(seconds: float | None) -> Any:
    """Return epoch seconds as a datetime; `None` stays `None`."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def is_optional(field: "Field[Any]") -> bool:
    return field.metadata == OPTIONAL


@cache
def _written_fields(cls: Any) -> tuple[tuple[str, bool], ...]:
    return tuple((field.name, is_optional(field)) for field in fields(cls))


@cache
def _read_fields(cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, hints[field.name], _is_required(field)) for field in fields(cls))


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _dump(value: Any) -> Any:
    if isinstance(value, Schema):
        return value.to_json()
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, tuple):
        return [_dump(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _dump(item) for name, item in value.items()}
    return value


def _load(hint: Any, value: Any) -> Any:
    """Read a value as its type hint says: `datetime`, a schema, a tuple of schemas, or either of them or None."""
    if value is None:
        return None
    if get_origin(hint) is UnionType:
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return tuple(_load(get_args(hint)[0], item) for item in value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(hint, type) and issubclass(hint, Schema):
        return hint.from_json(value)
    return value
