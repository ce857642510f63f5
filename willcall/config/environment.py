"""Override the configuration's tables with environment variables."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from willcall.config.schema import ANY_NAME, LISTS, Schema, find_setting, nearest, setting_paths, suggestion
from willcall.orders.errors import FieldError
from willcall.setting_types.table import FILE_SUFFIX

PREFIX = "WILLCALL_"
#: The path of the configuration file.
FILE_VARIABLE = "WILLCALL_CONFIG"
#: Variables of other parts: willcall-client and its examples, and docker-compose.yml.
OTHER_VARIABLES = frozenset(PREFIX + name for name in ("BIN", "URL", "KEY", "API_KEY", "OPERATOR_KEY"))
#: Variables in which other programs find a proxy.
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")

#: Variables by which Kubernetes and Docker announce a service that is named `willcall` or `willcall-<...>`.
#: https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
_SERVICE = re.compile(
    r"WILLCALL(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)=.*"
    r"|WILLCALL(_[A-Z0-9]+)*_PORT=(tcp|udp|sctp)://.*"
)

_Path = tuple[str, ...]


def overlay(
    document: dict[str, Any], environment: Mapping[str, str], schema: Schema
) -> tuple[list[FieldError], list[FieldError]]:
    """Write the environment's settings into `document`. Returns the errors in them, and the variables without effect.

    An empty variable counts as not set. A secret in a variable replaces its file that the document names, and the
    other way round.
    """
    errors: list[FieldError] = []
    unknown: list[str] = []
    written: set[_Path] = set()
    for variable, text in sorted(environment.items()):
        if not text or not variable.startswith(PREFIX) or variable in {FILE_VARIABLE, *OTHER_VARIABLES}:
            continue
        path = tuple(_path(variable.removeprefix(PREFIX).lower().split("__"), document, schema))
        setting = find_setting(schema, path)
        if setting is None:
            unknown += [] if _SERVICE.fullmatch(f"{variable}={text}") else [variable]
            continue
        *tables, name = path
        table = _table(document, tables)
        if (*tables, _other_form(name)) not in written:
            table.pop(_other_form(name), None)
        written.add(path)
        try:
            table[name] = _value(text, setting)
        except ValueError as error:
            errors.append(FieldError(variable, str(error)))
    known = ["__".join(path).upper() for path in setting_paths(schema, document)] if unknown else []
    return errors, [_unknown(variable, known) for variable in unknown]


def proxy_variable(environment: Mapping[str, str]) -> str | None:
    """Return a variable that names a proxy, which has no effect here."""
    return next((name for each in _PROXIES for name in (each, each.lower()) if environment.get(name)), None)


def _unknown(variable: str, known: Sequence[str]) -> FieldError:
    similar = _similar(variable.removeprefix(PREFIX), known)
    return FieldError(variable, f"is not a setting and has no effect{suggestion(similar and PREFIX + similar)}")


def _path(names: Sequence[str], document: object, schema: Schema | None) -> Iterator[str]:
    """Yield the path that a variable names. Where any name may stand, those of the document match in any case."""
    for name in names:
        table = document if isinstance(document, Mapping) else {}
        any_name = isinstance(schema, Mapping) and ANY_NAME in schema
        written = next((key for key in table if key.lower() == name), name) if any_name else name
        yield written
        document, schema = table.get(written), schema and find_setting(schema, [written])


def _other_form(name: str) -> str:
    """Return `api_key_file` for `api_key`, and the other way round."""
    return name.removesuffix(FILE_SUFFIX) if name.endswith(FILE_SUFFIX) else name + FILE_SUFFIX


def _similar(variable: str, known: Sequence[str]) -> str | None:
    """Return the most similar variable. Often, one underscore was written for two."""
    parts = variable.split("__")
    near = [name for name in known if _is_similar(parts, name.split("__"))]
    return nearest(variable, [name for name in known if _single(name) == _single(variable)] or near)


def _is_similar(parts: Sequence[str], others: Sequence[str]) -> bool:
    return len(parts) == len(others) and all(nearest(part, [other]) for part, other in zip(parts, others, strict=True))


def _single(variable: str) -> str:
    return variable.replace("__", "_")


def _table(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    table = document
    for name in path:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = table[name] = {}
        table = inner
    return table


def _value(text: str, setting: Schema) -> Any:
    """Return the value of a variable. Only tables and lists are JSON; a list of one text may be the text."""
    if isinstance(setting, Mapping):
        return _json(text, "table", dict)
    if LISTS & setting and text.lstrip().startswith("["):
        return _json(text, "list", list)
    return text


def _json(text: str, name: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise ValueError(f"must be a {name} in JSON")  # noqa: TRY004 - like the other errors
    return value
