"""Read responses, for all adapters: first the HTTP status, then JSON, then its values, tolerantly.

Nothing here raises an exception for bytes from outside. `detail` texts never quote the body.
"""

import json
import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from willcall.http.charsets import decode_text
from willcall.http.messages import Response
from willcall.orders.model import Ticket
from willcall.orders.outcomes import (
    Malformed,
    Missing,
    Outcome,
    Throttled,
    Unauthorized,
    Unavailable,
    extend_retry_after,
)
from willcall.orders.retry_after import retry_after_seconds
from willcall.providers.gateways import is_gateway_refusal

#: What an HTTP status means at every provider. For 403 and 5xx see below; any other is `Malformed`.
HTTP_STATUSES: Mapping[int, Outcome] = {
    401: Unauthorized(whole_account=True),
    404: Missing(),
    408: Unavailable(),
    425: Unavailable(),
    429: Throttled(),
}


def retry_after(response: Response) -> float | None:
    """Return the response's `Retry-After` in seconds, or `None` without a readable one."""
    return retry_after_seconds(response.headers, response.received_at)


def with_retry_after(outcome: Outcome, response: Response) -> Outcome:
    """Return the outcome with the wait that its response asked for."""
    return extend_retry_after(outcome, retry_after(response))


def status_outcome(response: Response, *ok: int) -> Outcome | None:
    """Return the outcome that the HTTP status alone decides, or `None` if the body must be read.

    `ok` are the statuses whose body the adapter reads, 200 by default. Redirects are not followed, so they are
    `Malformed`.
    """
    if response.status in (ok or (HTTPStatus.OK,)):
        return None
    return with_retry_after(_outcome_of(response), response)


def _outcome_of(response: Response) -> Outcome:
    status = response.status
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(response)
    if status in HTTP_STATUSES:
        return replace(HTTP_STATUSES[status], detail=f"HTTP {status}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(detail=f"HTTP {status}")
    return Malformed(detail=f"HTTP {status}")


def _forbidden(response: Response) -> Outcome:
    """Read a 403. With a `Retry-After`, or from a gateway, it does not reject our key."""
    if retry_after(response) is not None:
        return Throttled(detail="HTTP 403")
    if is_gateway_refusal(response):
        return Throttled(detail="HTTP 403 from a gateway", by_gateway=True)
    return Unauthorized(whole_account=False, detail="HTTP 403")


def read_text(response: Response) -> str:
    """Return the body as text, in any charset. Raises ValueError if none fits."""
    return decode_text(response.body, response.headers.get("content-type", ""))


def read_json(response: Response) -> object:
    """Return the body as JSON, or `Malformed`.

    NaN, infinities and lone surrogates are rejected: Python reads them, but they cannot be written again.
    """
    if not response.body.strip():
        return Malformed(detail="empty body")
    try:
        body = read_text(response)
        value = _DECODER.decode(body)
        if "\\ud" in body.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return Malformed(detail="body is not JSON")
    return value


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_reject)


def read_object(response: Response) -> dict[str, Any] | Malformed:
    """Return the body as a JSON object, or `Malformed`."""
    value = read_json(response)
    if isinstance(value, dict | Malformed):
        return value
    return Malformed(detail="body is not a JSON object")


def as_text(value: object) -> str | None:
    """Return a non-empty string unchanged, a number as its digits, or `None` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def as_int(value: object) -> int | None:
    """Return a whole number, also one written as a string of digits, or `None` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return value if isinstance(value, int) else None


def as_object(value: object) -> Mapping[str, Any]:
    """Return an object unchanged, the object in a list of one, or an empty one for anything else.

    PHP writes an array as a list or as an object, depending on its keys.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list unchanged, `None` as an empty one, a single value as a list of it.

    An object whose keys are all numbers is a list that PHP wrote.
    """
    if value is None:
        return []
    if isinstance(value, dict) and value and all(name.isdecimal() for name in value):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def as_web_url(value: object) -> str | None:
    """Return a string that is an http(s) URL, or `None` for anything else."""
    link = as_text(value)
    return link if link and link.lower().startswith(("https://", "http://")) and len(link) <= _LONGEST_URL else None


#: Digits of the longest number that fits in 64 bits, and the longest URL in practice.
_MOST_DIGITS, _LONGEST_URL = 18, 2_048
#: Limits of `extra_fields`: characters of JSON of all fields, and of a field's name; and levels of nesting.
LONGEST_EXTRA = 65_536
#: Characters of what a record or an order says beyond its tickets, as each of them repeats it.
LONGEST_SHARED = 4_096
_LONGEST_NAME, _DEEPEST = 100, 20
#: Member of `extra` with the fields of a ticket's order.
ORDER = "order"
#: Member of `extra` if something was too long or too deep to be stored.
TRUNCATED = "truncated"
#: Longest status word that is stored, in characters; the known ones have at most 20.
_LONGEST_WORD = 64


def extra_fields(fields: Mapping[str, Any], longest: int = LONGEST_EXTRA) -> dict[str, Any]:
    """Return the provider's own fields for a ticket's `extra`: all that are not null, up to `longest` characters.

    A list that is too long keeps its first entries, and any other value is left out. `"truncated": true` says so.
    """
    kept: dict[str, Any] = {}
    left, truncated = longest, False
    for name, value in fields.items():
        if value is None:
            continue
        short = name[:_LONGEST_NAME]
        overhead = len(json.dumps(short)) + 4
        fitting, size = _fitting(value, left - overhead)
        if size:
            kept[short] = fitting
            left -= size + overhead
        truncated = truncated or fitting is not value or short != name
    return {**kept, TRUNCATED: True} if truncated else kept


def with_order(tickets: Iterable[Ticket], order: Mapping[str, Any], read: Container[str]) -> tuple[Ticket, ...]:
    """Return the tickets, each with the fields of their order in `extra`, except those that are `read` elsewhere."""
    beyond = extra_fields({name: value for name, value in order.items() if name not in read}, LONGEST_SHARED)
    extra = {ORDER: beyond} if beyond else {}
    return tuple(replace(ticket, extra={**ticket.extra, **extra}) for ticket in tickets)


def status_word(value: object) -> str | None:
    """Return the provider's own word for a status, cut to a plausible length."""
    word = as_text(value)
    return word and word[:_LONGEST_WORD]


def _fitting(value: object, left: int) -> tuple[object, int]:
    """Return as much of a value as fits into `left` characters of JSON, and its size; 0 if nothing does."""
    size = _size(value)
    if size is not None and size <= left:
        return value, size
    if not isinstance(value, list):
        return None, 0
    used, first = 2, []
    for entry in value:
        size = _size(entry)
        if size is None or used + size + 2 > left:
            break
        first.append(entry)
        used += size + 2
    return (first, used) if first else (None, 0)


def _size(value: object) -> int | None:
    """Return the length of a value as JSON, or `None` if it cannot be written or is nested too deeply."""
    try:
        written = json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return len(written) if _depth(value) <= _DEEPEST else None


def _depth(value: object) -> int:
    """Return how deeply lists and objects are nested, at most one more than is allowed."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        inner: list[object] = []
        for each in level:
            inner += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        depth += any(isinstance(each, dict | list) for each in level)
        level = inner
    return depth
