"""Small HTML forms."""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from willcall.api.problems import ProblemError, ProblemType, rejected
from willcall.api.request_body import read_body
from willcall.orders.errors import FieldError

_MAX_BYTES = 4 * 1024
_MAX_FIELDS = 20


_Fields = TypeVar("_Fields")


async def _form(request: Request) -> Mapping[str, str]:
    return dict(await read_form(request, parse_qsl, _MAX_BYTES, _MAX_FIELDS))


async def read_form(request: Request, parse: Callable[..., _Fields], max_bytes: int, max_fields: int) -> _Fields:
    """Return the fields of a form as `parse` does, a function of `urllib.parse`. Raises ApiError."""
    body = await read_body(request, max_bytes)
    if body and request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ProblemError(ProblemType.UNSUPPORTED, "send an HTML form")
    try:
        return parse(body.decode("utf-8", "replace"), max_num_fields=max_fields)
    except ValueError:
        raise rejected([FieldError("body", "has too many fields")]) from None


Form = Annotated[Mapping[str, str], Depends(_form)]


def safe_redirect_path(wanted: str | None) -> str:
    """Return a path of the board to redirect to; any other address becomes the first page."""
    if wanted is None or not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable():
        return "/"
    return wanted
