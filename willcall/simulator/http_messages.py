"""Requests and responses without any HTTP library, and the forms that several providers share."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from enum import StrEnum
from typing import Any

from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.script import HintForm


@dataclass(frozen=True, slots=True)
class SimulatedRequest:
    """A request to a provider. `path` is below the provider's prefix, `origin` is `http://host:port`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    origin: str
    form: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Transmission(StrEnum):
    """How a response is sent: in full, slowly, cut off half way, as a TCP reset, or with a huge body."""

    WHOLE = "whole"
    DRIP = "drip"
    CUT = "cut"
    RESET = "reset"
    HUGE = "huge"


@dataclass(slots=True)
class SimulatedResponse:
    """A response, and when the next request is allowed: `retry_after` seconds later, or `not_before` (epoch)."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    #: Further headers, sent even where `headers` has the same name.
    more_headers: list[tuple[str, str]] = field(default_factory=list)
    retry_after: int | None = None
    not_before: float | None = None
    #: What the response says about the order.
    order_status: SimulatedStatus | None = None
    transmission: Transmission = Transmission.WHOLE
    #: Seconds that a drip takes, or bytes of a huge body.
    amount: float = 0.0


def json_response(body: Any, *, status: int = 200, content_type: str = "application/json") -> SimulatedResponse:
    """Return a response with a JSON body."""
    return SimulatedResponse(status, json.dumps(body).encode(), {"Content-Type": content_type})


def set_retry_after(
    response: SimulatedResponse, seconds: int | None, form: HintForm, now: float, clock: float = 0.0
) -> SimulatedResponse:
    """Put a `Retry-After` on a response and return it.

    A date has whole seconds and is rounded up, never down. `clock` is how many seconds the server's clock is ahead;
    its `Date` header then shows that.
    """
    if clock:
        response.headers["Date"] = formatdate(math.floor(now + clock), usegmt=True)
    if seconds is None:
        return response
    if "Retry-After" in response.headers:  # replaced, together with what it allowed
        response.retry_after = response.not_before = None
    if form == "seconds":
        response.retry_after = seconds
        response.headers["Retry-After"] = str(seconds)
    else:
        shown = math.ceil(now + clock + seconds)
        response.not_before = max(response.not_before or 0.0, shown - clock)
        response.headers["Retry-After"] = _format_moment(shown, form)
    return response


def _format_moment(moment: int, form: HintForm) -> str:
    match form:
        case "date":
            return formatdate(moment, usegmt=True)
        case "iso":
            return timestamp(moment)
        case "epoch_ms":
            return str(moment * 1_000)
    return str(moment)


def timestamp(at: float) -> str:
    """Format a moment as RFC 3339 in UTC with whole seconds, rounded up."""
    return datetime.fromtimestamp(math.ceil(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
