"""What the OpenAPI document says beyond what FastAPI finds out by itself."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from willcall.api import schemas
from willcall.api.examples import EXAMPLES
from willcall.api.problems import ProblemType

_REFERENCE = "#/components/schemas/{model}"

#: Of the interface, not of Willcall: its first number is that of the paths.
VERSION = "1.0"

DESCRIPTION = """\
Willcall gets the tickets of orders that a backend has already bought at a ticketing provider, and tells it once.

Errors are `application/problem+json`. Every call may be repeated: submitting an `id` again with the same content
changes nothing. A 503 has `Retry-After`. Times are UTC, RFC 3339.
"""

#: What can be wrong with any JSON body.
BODY_PROBLEMS = (ProblemType.TOO_SLOW, ProblemType.TOO_LARGE, ProblemType.UNSUPPORTED, ProblemType.REJECTED)

Responses = dict[int | str, dict[str, Any]]


def responses(*kinds: ProblemType, **models: type[BaseModel]) -> Responses:
    """The `responses` of a route: problems of these kinds, and models by status (`ok_200=Order`)."""
    found: Responses = {}
    for name, model in models.items():
        found[int(name.rpartition("_")[2])] = {"model": model}
    for kind in kinds:
        words = found[kind.status]["description"] + "; " if kind.status in found else ""
        found[kind.status] = {"model": schemas.Problem, "description": words + kind.title}
    return found


def request_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its JSON body itself."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def install_openapi(app: FastAPI, bodies: Iterable[type[BaseModel]]) -> None:
    """Complete the application's document: the `bodies` that routes read themselves, the media type of problems."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _, shapes = models_json_schema([(model, "validation") for model in bodies], ref_template=_REFERENCE)
            found = document["components"]["schemas"]
            found |= shapes["$defs"]
            for name, example in EXAMPLES.items():
                found[name]["examples"] = [example]
            for operation in (operation for path in document["paths"].values() for operation in path.values()):
                _complete(operation)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(operation: dict[str, Any]) -> None:
    """Errors are problems; a parameter is given or left out, there is no null in a URL."""
    for status, response in operation["responses"].items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            response["content"] = {"application/problem+json": response["content"]["application/json"]}
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        if "anyOf" in schema:
            given = next(part for part in schema.pop("anyOf") if part.get("type") != "null")
            parameter["schema"] = {**given, **schema}
