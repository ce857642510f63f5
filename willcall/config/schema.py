"""Which settings exist: the tables of the configuration as trees, and suggestions for names that are unknown."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from willcall.orders.errors import FieldError
from willcall.orders.submission import field_errors_from
from willcall.setting_types.table import ConfigTable, kinds_of

#: What a setting is: a table of settings by their names, or the types that its value may have.
Schema = Mapping[str, Any] | AbstractSet[Any]

#: Types of lists.
LISTS = frozenset({list, tuple})
#: The name that stands for any name, such as that of an account.
ANY_NAME = "*"


def table_schema(table: type[BaseModel]) -> Mapping[str, Schema]:
    """Return the schema of a table, with the settings that name files of secrets."""
    schema = {name: _schema(field.annotation) for name, field in table.model_fields.items()}
    files = table.file_settings().items() if issubclass(table, ConfigTable) else ()
    return schema | {name: {str, *LISTS.intersection(schema[secret])} for name, secret in files}


def _schema(annotation: Any) -> Schema:
    kinds = kinds_of(annotation)
    tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
    if tables:
        return table_schema(tables[0])
    if kinds & {dict, Mapping}:
        return {ANY_NAME: _schema(get_args(annotation)[1])}
    return kinds


def find_setting(schema: Schema, path: Iterable[str]) -> Schema | None:
    """Return the schema of a setting, or `None` if there is no such setting."""
    found: Schema | None = schema
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name, found.get(ANY_NAME))
    return found


def setting_paths(schema: Schema, document: object) -> Iterator[tuple[str, ...]]:
    """Yield the path of each setting. Where any name may stand, these are the document's, or `default`."""
    if isinstance(schema, Mapping):
        tables = document if isinstance(document, Mapping) else {}
        for name, inner in schema.items():
            for given in (*tables, "default") if name == ANY_NAME else (name,):
                yield (given,)
                yield from ((given, *rest) for rest in setting_paths(inner, tables.get(given)))


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar name, if there is one."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=0.7)), None)


def suggestion(name: str | None) -> str:
    """Return a question to end a message with, or nothing."""
    return f"; did you mean {name}?" if name else ""


def table_errors(error: ValidationError, schema: Schema) -> list[FieldError]:
    """Return the errors of a table, with suggestions for unknown names."""
    items = error.errors(include_url=False, include_input=False)
    found = zip(field_errors_from(items), items, strict=True)
    return [
        FieldError(each.field if item["loc"] else "", each.message + _suggestion_for(item, schema))
        for each, item in found
    ]


def _suggestion_for(item: Mapping[str, Any], schema: Schema) -> str:
    *path, name = map(str, item["loc"] or ("",))
    table = find_setting(schema, path) if item["type"] == "extra_forbidden" else None
    return suggestion(nearest(name, table)) if isinstance(table, Mapping) else ""
