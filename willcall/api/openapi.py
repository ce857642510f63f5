"""Additions to the OpenAPI document that FastAPI generates."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from willcall.api.examples import EXAMPLES
from willcall.api.openapi_events import event_shapes, webhooks
from willcall.api.problems import ProblemType
from willcall.schemas.base import Schema, is_optional
from willcall.schemas.problems import Problem

#: The version of the interface, not of Willcall; its first number is that of the paths.
VERSION = "1.0"

DESCRIPTION = """\
Willcall gets the tickets of orders that a backend has already bought at a ticketing provider, and notifies it once.

Errors are `application/problem+json`. Every call may be repeated: submitting an `id` again with the same content
changes nothing. A 503 has `Retry-After`. Times are UTC, RFC 3339.
"""

#: Errors that any JSON body can cause.
BODY_PROBLEMS = (ProblemType.TOO_SLOW, ProblemType.TOO_LARGE, ProblemType.UNSUPPORTED, ProblemType.REJECTED)

Responses = dict[int | str, dict[str, Any]]

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"


def responses(*problems: ProblemType, **schemas: type[Schema]) -> Responses:
    """Return the `responses` of a route: problems, and shapes by their status (`ok_200=Order`)."""
    found: Responses = {}
    for name, schema in schemas.items():
        found[int(name.rpartition("_")[2])] = {"content": _content(schema)}
    for problem in problems:
        earlier = found[problem.status]["description"] + "; " if problem.status in found else ""
        content = _content(Problem, _PROBLEM)
        found[problem.status] = {"content": content, "description": earlier + problem.title}
    return found


def with_exports(answers: Responses, media_types: Mapping[Any, str]) -> Responses:
    """Add the media types of a route's exports to its `responses`."""
    answers[200]["content"] |= {media_type: {"schema": {"type": "string"}} for media_type in media_types.values()}
    return answers


def request_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that reads its JSON body itself."""
    return {"requestBody": {"required": required, "content": _content(model)}}


def install_openapi(app: FastAPI, bodies: Iterable[type[BaseModel]]) -> None:
    """Add all shapes, with examples, to the application's document, which is generated on first use."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            generated = document["components"]["schemas"]
            document["components"]["schemas"] = {**generated, **_definitions(bodies)}
            document["webhooks"] = webhooks()
            _drop_unused_schemas(document)
            for operation in (operation for path in document["paths"].values() for operation in path.values()):
                _drop_null_from_parameters(operation)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _content(model: type[Any], media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def _definitions(bodies: Iterable[type[BaseModel]]) -> dict[str, Any]:
    shapes = [*_leaves(Schema)]
    adapters = [TypeAdapter[Any](model) for model in (*shapes, *bodies)]
    _, found = TypeAdapter.json_schemas([(id(a), "validation", a) for a in adapters], ref_template=_REFERENCE)
    definitions: dict[str, Any] = found["$defs"]
    for shape in shapes:  # fields with a default are sent nevertheless
        definitions[shape.__name__]["required"] = [each.name for each in fields(shape) if not is_optional(each)]
    for name, definition in definitions.items():
        for schema in definition.get("properties", {}).values():
            _simplify(schema, is_request=name in {model.__name__ for model in bodies})
    for name, example in EXAMPLES.items():
        definitions[name]["examples"] = [example]
    return {**definitions, **event_shapes(definitions["Event"])}


def _simplify(schema: dict[str, Any], *, is_request: bool) -> None:
    """Describe a default in words: generators of clients take a field with `default` for one that is always there."""
    schema.pop("title", None)
    default = schema.pop("default", None)
    if is_request and default is not None:
        schema["description"] = f"{schema.get('description', '')} Default: {json.dumps(default)}.".strip()


def _drop_unused_schemas(document: dict[str, Any]) -> None:
    """Drop what FastAPI adds for responses that no route has."""
    schemas = document["components"]["schemas"]
    while unused := schemas.keys() - set(re.findall(rf"{_REFERENCE.format(model='')}(\w+)", json.dumps(document))):
        for name in unused:
            del schemas[name]


def _leaves(schema: type[Schema]) -> Iterator[type[Schema]]:
    below = schema.__subclasses__()
    if not below:
        yield schema
    for each in below:
        yield from _leaves(each)


def _drop_null_from_parameters(operation: dict[str, Any]) -> None:
    """A parameter is given or left out: there is no null in a URL. An object is described by the operation's text."""
    if "parameters" in operation:
        operation["parameters"] = [each for each in operation["parameters"] if each["schema"].get("type") != "object"]
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        if "anyOf" in schema:
            given = next(part for part in schema.pop("anyOf") if part.get("type") != "null")
            parameter["schema"] = {**given, **schema}
