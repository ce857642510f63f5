"""Requests and answers without any HTTP library, and the forms that several providers share."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from enum import StrEnum
from typing import Any

from willcall.simulator.phases import Phase
from willcall.simulator.script import HintForm


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a provider. `path` is below the provider's prefix, `origin` is `http://host:port`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    origin: str
    form: Mapping[str, str] = field(default_factory=dict)


class Manner(StrEnum):
    """How an answer goes onto the wire."""

    WHOLE = "whole"
    DRIP = "drip"
    CUT = "cut"
    RESET = "reset"
    HUGE = "huge"


@dataclass(slots=True)
class Answer:
    """One answer, and what it allows: `retry_after` seconds from being sent, or `not_before` (epoch)."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    #: Further lines of headers that stand there already.
    more_headers: list[tuple[str, str]] = field(default_factory=list)
    retry_after: int | None = None
    not_before: float | None = None
    phase: Phase | None = None
    manner: Manner = Manner.WHOLE
    #: Seconds of a drip, bytes of a huge body.
    amount: float = 0.0


def as_json(body: Any, *, status: int = 200, content_type: str = "application/json") -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(body).encode(), {"Content-Type": content_type})


def ask_to_wait(answer: Answer, seconds: int | None, form: HintForm, now: float, clock: float = 0.0) -> Answer:
    """Put a `Retry-After` on an answer. A moment has whole seconds and is rounded up, never down.

    `clock` is by how many seconds the server's clock is ahead; then its `Date` shows that.
    """
    if clock:
        answer.headers["Date"] = formatdate(math.floor(now + clock), usegmt=True)
    if seconds is None:
        return answer
    if "Retry-After" in answer.headers:  # it is replaced, and with it what it allowed
        answer.retry_after = answer.not_before = None
    if form == "seconds":
        answer.retry_after = seconds
        answer.headers["Retry-After"] = str(seconds)
    else:
        shown = math.ceil(now + clock + seconds)
        answer.not_before = max(answer.not_before or 0.0, shown - clock)
        answer.headers["Retry-After"] = _written(shown, form)
    return answer


def _written(moment: int, form: HintForm) -> str:
    match form:
        case "date":
            return formatdate(moment, usegmt=True)
        case "iso":
            return timestamp(moment)
        case "epoch_ms":
            return str(moment * 1_000)
    return str(moment)


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with whole seconds, rounded up."""
    return datetime.fromtimestamp(math.ceil(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
