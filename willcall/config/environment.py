"""Override the configuration's tables with environment variables."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from willcall.orders.errors import FieldError

PREFIX = "WILLCALL_"
#: The path of the configuration file.
FILE_VARIABLE = "WILLCALL_CONFIG"

#: First characters of a JSON list or object.
_BRACKETS = ("[", "{")


def overlay(
    document: dict[str, Any],
    environment: Mapping[str, str],
    tables: set[str],
    annotation: Callable[[Sequence[str]], Any],
) -> list[FieldError]:
    """Write the environment's settings into `document`, and return the errors in the variables.

    `tables` are the names of the top-level tables and keys; any other variable is an error, like an unknown key.
    `annotation` returns the type of the setting at a path, or `None`.
    """
    errors = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        path = variable.removeprefix(PREFIX).lower().split("__")
        if path[0] not in tables:
            errors.append(FieldError(variable, "matches no setting"))
            continue
        try:
            _table(document, path[:-1])[path[-1]] = _value(text, annotation(path))
        except ValueError:
            errors.append(FieldError(variable, "looks like a list or a table, but is not valid JSON"))
    return errors


def _table(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    table = document
    for name in path:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = table[name] = {}
        table = inner
    return table


def _value(text: str, annotation: Any) -> Any:
    """Parse JSON if the setting is a list or a table. A secret is text, whatever it begins with."""
    kinds = _kinds(annotation)
    takes_text = bool(kinds & {str, SecretStr})
    if not text.startswith(_BRACKETS) or (takes_text and not any(map(_is_table, kinds))):
        return text
    try:
        return json.loads(text)
    except ValueError:
        if takes_text:
            return text
        raise


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that a value may have."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(arguments[0])
    if origin in {Union, UnionType}:
        return set().union(*map(_kinds, arguments))
    if origin is Literal:
        return {type(value) for value in arguments}
    return {origin or annotation}


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, (tuple, list, dict, BaseModel))
