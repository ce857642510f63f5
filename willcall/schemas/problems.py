"""Errors, after RFC 9457."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from willcall.schemas.base import OPTIONAL, Schema


@dataclass(frozen=True, kw_only=True)
class FieldProblem(Schema):
    """What is wrong with one field."""

    field: str
    """The dotted path of the field."""
    message: str


@dataclass(frozen=True, kw_only=True)
class Problem(Schema):
    """An error."""

    type: str
    """`urn:willcall:problem:<type>`"""
    title: str
    status: int
    detail: str
    request_id: str | None = None
    """The id of the request in Willcall's logs."""
    errors: tuple[FieldProblem, ...] | None = field(default=None, metadata=OPTIONAL)
    """All fields that are wrong."""

    @classmethod
    def from_response(cls, document: Any, status: int) -> Self:
        """Read any error response; one of a proxy may be no problem document at all."""
        found = document if isinstance(document, Mapping) else {}
        errors = found.get("errors") or ()
        return cls(
            type=str(found.get("type", "about:blank")),
            title=str(found.get("title", "")),
            status=status,
            detail=str(found.get("detail") or found.get("title") or f"HTTP {status}"),
            request_id=found.get("request_id"),
            errors=tuple(
                FieldProblem(field=str(error.get("field", "")), message=str(error.get("message", "")))
                for error in errors
                if isinstance(error, Mapping)
            ),
        )
