"""Reading JSON into dataclasses. Unknown fields and words are accepted, wrong types are named."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from willcall_client.errors import DecodeError

if TYPE_CHECKING:
    from typing_extensions import Self

Reader = Callable[[Any, str], Any]

#: RFC 3339. Before Python 3.11, `fromisoformat` reads neither `Z` nor every number of decimals.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """Base of all JSON shapes. `raw` is the JSON as it was received, with fields newer than this client."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Any, path: str = "") -> "Self":
        """Read a JSON object; `path` is its place in a larger document. Raises DecodeError."""
        if not isinstance(document, dict):
            raise _unexpected("an object", document, path)
        shape: Any = cls  # not `type[Self]`, which mypy takes for unhashable
        values = {}
        for name, read, required in _fields(shape):
            place = f"{path}.{name}" if path else name
            if name in document:
                values[name] = read(document[name], place)
            elif required:
                raise DecodeError(f"{place} is missing")
        return cls(raw=document, **values)


def parse_json(content: bytes) -> Any:
    """Parse JSON that may come from anywhere. Raises DecodeError."""
    try:
        return json.loads(content)
    except RecursionError:
        raise DecodeError("the content is nested too deeply") from None
    except ValueError:  # without its message, which may quote the content
        raise DecodeError("the content is not JSON") from None


@cache
def _fields(cls: type[Model]) -> tuple[tuple[str, Reader, bool], ...]:
    hints = get_type_hints(cls)
    return tuple(
        (each.name, _reader(hints[each.name]), each.default is MISSING and each.default_factory is MISSING)
        for each in fields(cls)
        if each.name != "raw"
    )


def _reader(hint: Any) -> Reader:
    """Return the function that reads a value of a field with this type hint."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        (kind,) = (each for each in arguments if each is not type(None))
        return _optional(_reader(kind))
    if origin in {tuple, Mapping}:
        return _list(_reader(arguments[0])) if origin is tuple else _mapping(_reader(arguments[1]))
    if hint is Any:
        return lambda value, _: value
    if issubclass(hint, Model):
        read: Reader = hint.from_json
        return read
    return _read_time if hint is datetime else _plain(hint)


def _optional(read: Reader) -> Reader:
    return lambda value, path: None if value is None else read(value, path)


def _list(read: Reader) -> Reader:
    def read_list(value: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _unexpected("a list", value, path)
        return tuple(read(item, f"{path}.{number}") for number, item in enumerate(value))

    return read_list


def _mapping(read: Reader) -> Reader:
    def read_mapping(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _unexpected("an object", value, path)
        return {name: read(item, f"{path}.{name}") for name, item in value.items()}

    return read_mapping


def _plain(kind: type) -> Reader:
    accepted = (int, float) if kind is float else (kind,)

    def read_plain(value: Any, path: str) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise _unexpected(_NAMES[kind], value, path)
        return value

    return read_plain


def _read_time(value: Any, path: str) -> datetime:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise DecodeError(f"{path} is not a time of RFC 3339")
    date, time, decimals, zone = found.groups()
    try:
        return datetime.fromisoformat(f"{date}T{time}.{(decimals or '')[:6]:0<6}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        raise DecodeError(f"{path} is not a time of RFC 3339") from None


def _unexpected(expected: str, value: Any, path: str) -> DecodeError:
    """Name the types, never the value, which may be a secret."""
    return DecodeError(f"{path or 'the content'} is {_NAMES.get(type(value), type(value).__name__)}, not {expected}")
