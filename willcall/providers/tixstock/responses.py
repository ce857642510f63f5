"""Successful responses and errors of Tixstock, by HTTP status or inside the body.

https://pf-api-documentation.tixstock.com/v1/overview/errors-and-status-codes
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed, Missing, Outcome, Throttled, Unauthorized, Unavailable
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.reading import as_int, as_list, as_object, retry_after, status_outcome

SUCCESS = range(200, 300)

#: Above the limit every request is rejected until the minute ends, and no header says when that is.
#: https://sandbox-pf-api-documentation.tixstock.com/v1/overview/call-throttling
_OVER_LIMIT = Throttled(retry_after=60.0, detail="over the limit of requests a minute")
#: What each error code in a body means; 5xx is `Unavailable`, any other is `Malformed`. 102 and 103 reject our IP
#: address, 110 and 111 deny access to this order.
#: https://pf-api-documentation.tixstock.com/v1/overview/errors-and-status-codes
ERROR_CODES: Mapping[int, Outcome] = {
    **dict.fromkeys((100, 102, 103, 401), Unauthorized(whole_account=True)),
    **dict.fromkeys((110, 111, 403), Unauthorized(whole_account=False)),
    404: Missing(),
    429: _OVER_LIMIT,
}


def read_body(response: Response) -> Mapping[str, Any] | Outcome:
    """Return the body of a successful response, or what the HTTP status or an error in the body means."""
    by_status = status_outcome(response, *SUCCESS)
    if isinstance(by_status, Throttled):
        unsaid = by_status.retry_after is None and not by_status.by_gateway
        return _OVER_LIMIT if unsaid else by_status
    if by_status is not None and not isinstance(by_status, Malformed | Unauthorized):
        return by_status
    body = read_lenient_object(response)
    if isinstance(body, Malformed):
        return by_status or body
    return _read_error(body, response) or by_status or body


def _read_error(body: Mapping[str, Any], response: Response) -> Outcome | None:
    """Return the outcome of errors in a body, which also come with HTTP 200, or `None`.

    `errors` is an object with a `code`, or a list of sentences without one.
    """
    errors = body.get("errors")
    if not errors:
        return None
    code = as_int(as_object(as_list(errors)[0]).get("code"))
    if code is None:
        return Malformed(detail="the response states errors without a code")
    return _error_outcome(code, has_hint=retry_after(response) is not None)


def _error_outcome(code: int, *, has_hint: bool) -> Outcome:
    detail = f"error code {code}"
    if has_hint and code in {403, 429}:
        return Throttled(detail=detail)
    if code in ERROR_CODES:
        outcome = ERROR_CODES[code]
        return replace(outcome, detail=outcome.detail or detail)
    if code in range(500, 600):
        return Unavailable(detail=detail)
    return Malformed(detail="the response states an error with an unknown code")
