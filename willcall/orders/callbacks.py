"""The schedule of callbacks: what the result of one POST means.

The schedule and the meaning of a status are those of Standard Webhooks:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

Example: a backend that answers 503 throughout gets an event ten times: at once, then after 5 s, 5 min, 30 min, 2 h,
5 h, 10 h, 14 h, 20 h and 24 h (each up to 10 % later). After the tenth attempt, about three days in, the event is
undeliverable.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from willcall.orders.hints import MAX_HINT, hint_seconds

#: Seconds to wait after the first, second, ... failed attempt. The attempt after the last wait is the last one.
SCHEDULE = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
#: Share of a scheduled wait that is added at random, so that events that failed together are not retried together.
JITTER = 0.1
#: After this many seconds a pending event needs a look: the first three attempts have failed by then.
CALLBACK_LATE_AFTER = 600.0

_GONE = 410


class CallbackStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class PostResult:
    """The result of one POST.

    `status` is `None` without an HTTP response, and `why` says what happened instead. Both may be shown, so `why`
    quotes neither URL nor body. `retry_after` is in seconds. `refused`: the URL is not allowed, so nothing was sent
    and no later attempt would be. `host`: that of the URL, if there was one.
    """

    status: int | None
    why: str = ""
    retry_after: float | None = None
    refused: bool = False
    host: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryDecision:
    """The status of a delivery after an attempt. `wait`: seconds to the next one, or `None`."""

    status: CallbackStatus
    wait: float | None = None


def decide_delivery(result: PostResult, attempts: int, rng: Random) -> DeliveryDecision:
    """Return what follows the `attempts`-th attempt (counted from 1) to deliver an event.

    Only a 2xx is a success. A redirect is a failure like any other; 410 says that the endpoint is gone for good.
    """
    if is_accepted(result.status):
        return DeliveryDecision(CallbackStatus.DELIVERED)
    if result.status == _GONE or result.refused or attempts > len(SCHEDULE):
        return DeliveryDecision(CallbackStatus.UNDELIVERABLE)
    scheduled = SCHEDULE[attempts - 1] * (1 + JITTER * rng.random())
    hint = hint_seconds(result.retry_after, fallback=MAX_HINT)
    return DeliveryDecision(CallbackStatus.PENDING, max(scheduled, hint))


def is_accepted(status: int | None) -> bool:
    """Return whether an HTTP status says that the backend accepted the event."""
    return status is not None and status in range(200, 300)
