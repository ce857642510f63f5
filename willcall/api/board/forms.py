"""What forms send: small, and read by names."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from willcall.api.problems import ApiError, ProblemType, rejected
from willcall.api.request_body import read_body
from willcall.orders.errors import FieldError

#: Largest form, bytes.
_LARGEST = 4 * 1024
#: Fields of a form.
_MOST = 20


async def _form(request: Request) -> Mapping[str, str]:
    body = await read_body(request, _LARGEST)
    if body and request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ApiError(ProblemType.UNSUPPORTED, "send a form")
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST))
    except ValueError:
        raise rejected([FieldError("body", "has more fields than any form here")]) from None


Form = Annotated[Mapping[str, str], Depends(_form)]


def place_to_return(wanted: str | None) -> str:
    """A page of ours to go back to: what would lead elsewhere leads to the first page."""
    if wanted is None or not wanted.startswith("/") or wanted.startswith(("//", "/\\")) or not wanted.isprintable():
        return "/"
    return wanted
