"""Small HTML forms."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from willcall.api.problems import ProblemError, ProblemType, rejected
from willcall.api.request_body import read_body
from willcall.orders.errors import FieldError

_MAX_BYTES = 4 * 1024
_MAX_FIELDS = 20


async def _form(request: Request) -> Mapping[str, str]:
    return {name: values[-1] for name, values in (await read_form(request, _MAX_BYTES, _MAX_FIELDS)).items()}


async def read_form(request: Request, max_bytes: int, max_fields: int) -> dict[str, list[str]]:
    """Return the values of each field of a form. Raises ApiError."""
    body = await read_body(request, max_bytes)
    if body and request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ProblemError(ProblemType.UNSUPPORTED, "send an HTML form")
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=max_fields)
    except ValueError:
        raise rejected([FieldError("body", "has too many fields")]) from None


Form = Annotated[Mapping[str, str], Depends(_form)]


def safe_redirect_path(wanted: str | None) -> str:
    """Return a path of the board to redirect to; any other address becomes the first page."""
    if wanted is None or not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable():
        return "/"
    return wanted
