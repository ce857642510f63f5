"""Responses that hold one of the shapes of `willcall.schemas`."""

from starlette.responses import JSONResponse

from willcall.schemas.base import Schema


class SchemaResponse(JSONResponse):
    """A shape as JSON."""

    def render(self, content: Schema) -> bytes:
        return super().render(content.to_json())
