"""What one try to tell a backend means: told, again later, or given up. Pure, like the poll policy.

The schedule and the meaning of a status are those of Standard Webhooks:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from urllib.parse import urlsplit

from willcall.orders.hints import MAX_HINT, hint_seconds

#: Seconds to wait after the first, second, ... failed try. After one try more than there are waits it is given up.
SCHEDULE = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
#: Share of a scheduled wait that is added at random, so that what failed together is not tried together.
JITTER = 0.1
#: Seconds for which an event may be untold before somebody should look: the first three tries are then over.
CALLBACK_LATE_AFTER = 600.0

_GONE = 410


class CallbackStatus(StrEnum):
    """Where the telling of an event stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"


@dataclass(frozen=True, slots=True)
class PostResult:
    """What became of one POST.

    `status` is None where there was no HTTP answer, and `why` says in words why not; both may be shown, so `why`
    quotes neither URL nor body. `retry_after` is the receiver's wish in seconds. `refused`: the URL may not be
    reached from here, so nothing was sent and no later try would be.
    """

    status: int | None
    why: str = ""
    retry_after: float | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryDecision:
    """What follows a try; `wait` (seconds) is None where nothing does."""

    status: CallbackStatus
    wait: float | None = None


def decide_delivery(tried: PostResult, tries: int, rng: Random) -> DeliveryDecision:
    """What the `tries`-th try (from 1 on) of an event means.

    Only a 2xx is a success. Redirects are failures like any other; 410 says that the endpoint is gone for good.
    """
    if is_accepted(tried.status):
        return DeliveryDecision(CallbackStatus.DELIVERED)
    if tried.status == _GONE or tried.refused or tries > len(SCHEDULE):
        return DeliveryDecision(CallbackStatus.UNDELIVERABLE)
    scheduled = SCHEDULE[tries - 1] * (1 + JITTER * rng.random())
    return DeliveryDecision(CallbackStatus.PENDING, max(scheduled, hint_seconds(tried.retry_after, fallback=MAX_HINT)))


def is_accepted(status: int | None) -> bool:
    """Whether a backend that answers so has taken the event."""
    return status is not None and status // 100 == 2  # noqa: PLR2004 - 2xx


def callback_host(url: str) -> str:
    """The host that a callback URL names, with its port if it names one: backends are kept apart by it."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def redact_callback_url(url: str) -> str:
    """A callback URL as people see it: of its query, where backends put tokens, only the names."""
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(f"{name}=***" if equals else "***" for name, equals, _ in pairs)
    return f"{bare}?{query}" if parts.query else bare
