"""Errors that Tixstock states inside a body, also with HTTP 200.

`errors` is one object with a `code` where the error has one, else a list of sentences.

https://pf-api-documentation.tixstock.com/v1/overview/errors-and-status-codes
"""

from collections.abc import Mapping
from typing import Any

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed, Missing, Outcome, Throttled, Unauthorized, Unavailable
from willcall.providers.reading import as_int, as_list, as_object, retry_after

#: Above the limit every request is refused until the minute ends, and no header says when that is.
#: https://sandbox-pf-api-documentation.tixstock.com/v1/overview/call-throttling
MINUTE = Throttled(retry_after=60.0, detail="over the limit of requests a minute")

#: No bearer token, an IP address that is not allowed (102, 103), a bearer token that is refused.
_ACCOUNT = {100, 102, 103, 401}
#: No permission for this order.
_ORDER = {110, 111, 403}


def error_outcome(body: Mapping[str, Any], answer: Response) -> Outcome | None:
    """The outcome of the errors that a body states, None where it states none."""
    errors = body.get("errors")
    if not errors:
        return None
    code = as_int(as_object(as_list(errors)[0]).get("code"))
    if code is None:
        return Malformed(detail="the answer states errors without a code")
    return _by_code(code, answer)


def _by_code(code: int, answer: Response) -> Outcome:
    detail, hinted = f"error code {code}", retry_after(answer) is not None
    if code == 429:  # noqa: PLR2004 - these codes are HTTP statuses
        return Throttled(detail=detail) if hinted else MINUTE
    if code == 403 and hinted:  # noqa: PLR2004
        return Throttled(detail=detail)
    if code in _ACCOUNT | _ORDER:
        return Unauthorized(whole_account=code in _ACCOUNT, detail=detail)
    if code == 404:  # noqa: PLR2004
        return Missing(detail=detail)
    if 500 <= code <= 599:  # noqa: PLR2004
        return Unavailable(detail=detail)
    return Malformed(detail="the answer states an error with an unknown code")
