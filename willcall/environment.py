"""Lay the environment's variables over the configuration's tables."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from willcall.orders.errors import FieldError

PREFIX = "WILLCALL_"
#: Names the file; not part of it.
FILE_VARIABLE = "WILLCALL_CONFIG"

#: What a JSON list or object begins with.
_BRACKETS = ("[", "{")


def overlay(
    document: dict[str, Any],
    environment: Mapping[str, str],
    tables: set[str],
    annotation: Callable[[Sequence[str]], Any],
) -> list[FieldError]:
    """Set in `document` what the environment sets. Returns what is wrong with the variables.

    `tables` are the names at the top; a variable that names none of them is a mistake like an unknown key. `annotation`
    gives the type that the configuration wants at a path, or None.
    """
    problems = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        path = variable.removeprefix(PREFIX).lower().split("__")
        if path[0] not in tables:
            problems.append(FieldError(variable, "names nothing in the configuration"))
            continue
        try:
            _table(document, path[:-1])[path[-1]] = _value(text, annotation(path))
        except ValueError:
            problems.append(FieldError(variable, "is not JSON, though it looks like a list or a table"))
    return problems


def _table(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    table = document
    for name in path:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = table[name] = {}
        table = inner
    return table


def _value(text: str, annotation: Any) -> Any:
    """Return JSON where a list or a table is wanted. A secret is text, whatever it begins with."""
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
    """Return the types of which a value may be."""
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
