"""When orders are polled: brought forward, held until their account recovers, released, sent again, checked late."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.bookings import booking_indexes, lanes
from willcall.stores.codec import milliseconds
from willcall.stores.messages import PollMessage, Reschedule, read_reschedules
from willcall.stores.rates import rate_arguments
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis


class Requester(StrEnum):
    """The source of a request for an early attempt.

    `OVERRIDE` is an operator who ignores the provider's hint, `CUSTOMER` one who comes back from the payment.
    """

    SWEEP = "sweep"
    PROVIDER = "provider"
    OPERATOR = "operator"
    OVERRIDE = "override"
    CUSTOMER = "customer"


class ExpediteOutcome(StrEnum):
    """The outcome of a request for an early attempt; see `lua/expedite.lua`."""

    SENT = "sent"
    GONE = "gone"
    CLOSED = "closed"
    HELD = "held"
    BUSY = "busy"
    SOON = "soon"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class ExpediteResult:
    """The result of a request for an early attempt.

    `at`: when the provider will be polled (epoch seconds), if that is known. `message`: the message to send for it,
    `None` if one is under way already.
    """

    outcome: ExpediteOutcome
    at: float | None = None
    message: PollMessage | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The message of an account's probe, if one is to be sent.

    `hint_until`: until when hints of the provider forbid every probe (epoch seconds).
    """

    message: PollMessage | None = None
    hint_until: float | None = None


class ScheduleStore:
    """The due index and the indexes of orders that wait for something else, in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._expedite = load(redis, "expedite")
        self._release_held = load(redis, "release_held")
        self._release_probe = load(redis, "release_probe")
        self._release_throttled = load(redis, "release_throttled")
        self._resend_polls = load(redis, "resend_polls")
        self._find_past_deadline = load(redis, "find_past_deadline")

    def expedite(self, order_id: str, account: str, minimum: float, rate: Rate, requester: Requester) -> ExpediteResult:
        """Bring an order's next attempt forward as far as hints, `minimum` (seconds) and `rate` allow."""
        bucket = rate.bucket(account)
        outcome, *rest = self._expedite(
            keys=[
                keys.order(order_id),
                keys.due(account),
                keys.held(account),
                keys.tokens(bucket),
                *lanes(bucket),
                keys.stranded(bucket),
            ],
            args={
                "id": order_id,
                "minimum": milliseconds(minimum),
                "requester": requester.value,
                "rate": rate_arguments(rate),
            },
        )
        at, *message = rest or [None]
        return ExpediteResult(
            ExpediteOutcome(outcome),
            None if at is None else at / 1_000,
            PollMessage(order_id, message[0], message[1] / 1_000) if message else None,
        )

    def release_held(self, account: str, count: int, minimum: float) -> list[PollMessage]:
        """Let up to `count` held orders of an account continue, those with the nearest deadline first.

        Each is due as soon as its hint and `minimum` (seconds since its last attempt) allow.
        """
        released = self._release_held(
            keys=[
                keys.held(account),
                keys.due(account),
                keys.ATTENTION,
                keys.order(""),
                keys.account(account),
                keys.CHANGES,
            ],
            args={"count": count, "minimum": milliseconds(minimum)},
        )
        return [
            PollMessage(order_id, seq, due / 1_000)
            for order_id, seq, due in zip(released[::3], released[1::3], released[2::3], strict=True)
        ]

    def release_probe(self, account: str, bucket: str, minimum: float) -> ProbeResult:
        """Let one order continue that probes its account, if a probe is due and none is under way."""
        released = self._release_probe(
            keys=[keys.held(account), keys.due(account), keys.order(""), keys.account(account), keys.tokens(bucket)],
            args={"minimum": milliseconds(minimum)},
        )
        if not released:
            return ProbeResult()
        order_id, seq, moment = released[0], released[1], released[2] / 1_000
        return ProbeResult(PollMessage(order_id, seq, moment)) if order_id else ProbeResult(hint_until=moment)

    def release_throttled(
        self, account: str, bucket: str, count: int, minimum: float
    ) -> tuple[bool, tuple[Reschedule, ...]]:
        """Bring forward about `count` orders that met a throttle which an operator has ended.

        Returns whether there may be more, and the messages to send.
        """
        more, reschedules = self._release_throttled(
            keys=[
                keys.account(account),
                keys.tokens(bucket),
                *lanes(bucket),
                keys.throttled(account),
                keys.held(account),
                *booking_indexes(bucket),
            ],
            args={"count": count, "minimum": milliseconds(minimum)},
        )
        return bool(more), read_reschedules(reschedules)

    def resend_polls(self, account: str, grace: float, offset: int, count: int) -> tuple[int, list[PollMessage]]:
        """Look at `count` orders from `offset` on that are overdue by `grace` seconds.

        Returns how many there were, and the messages to send again.
        """
        seen, *lost = self._resend_polls(
            keys=[keys.due(account), keys.order(""), keys.progress(account)],
            args={"grace": milliseconds(grace), "offset": offset, "count": count},
        )
        return seen, [PollMessage(order_id, int(seq), 0.0) for order_id, seq in zip(lost[::2], lost[1::2], strict=True)]

    def find_past_deadline(self, account: str, late_by: float, offset: int, count: int) -> tuple[int, list[str]]:
        """Look at `count` overdue orders from `offset` on.

        Returns how many there were, and the open ones whose deadline passed `late_by` seconds ago and which no worker
        is polling.
        """
        seen, *order_ids = self._find_past_deadline(
            keys=[keys.due(account), keys.order("")],
            args={"late_by": milliseconds(late_by), "offset": offset, "count": count},
        )
        return seen, order_ids

    def is_held(self, account: str, order_id: str) -> bool:
        """Return whether an order is held until its account recovers."""
        return self._redis.zscore(keys.held(account), order_id) is not None

    def held_past_deadline(self, account: str, now: float, offset: int, count: int) -> list[str]:
        """Return `count` held orders from `offset` on whose deadline has passed."""
        held = self._redis.zrangebyscore(keys.held(account), "-inf", milliseconds(now), offset, count)
        return cast("list[str]", held)

    def first_deadline(self, account: str) -> float | None:
        """Return the deadline (epoch seconds) of the held order of an account that expires first, or `None`."""
        first = cast("list[tuple[str, float]]", self._redis.zrange(keys.held(account), 0, 0, withscores=True))
        return first[0][1] / 1_000 if first else None

    def remove_held(self, account: str, order_id: str) -> None:
        """Remove a final order from those that are held."""
        self._redis.zrem(keys.held(account), order_id)

    def late_checks(self, now: float, count: int) -> list[str]:
        """Return expired orders whose next late check is due."""
        return cast("list[str]", self._redis.zrangebyscore(keys.LATE, "-inf", milliseconds(now), 0, count))

    def schedule_late_check(self, order_id: str, at: float | None) -> None:
        """Set an expired order's next late check, or end them with `None`."""
        if at is None:
            self._redis.zrem(keys.LATE, order_id)
        else:
            self._redis.zadd(keys.LATE, {order_id: milliseconds(at)}, xx=True)

    def watched(self, account: str, now: float, count: int) -> list[str]:
        """Return orders of an account to look at now, because of their event; those first that are due for longest."""
        due = self._redis.zrangebyscore(keys.watched(account), "-inf", milliseconds(now), 0, count)
        return cast("list[str]", due)

    def watch(self, account: str, order_id: str, at: float) -> None:
        """Set when to look at an order next, if it is watched."""
        self._redis.zadd(keys.watched(account), {order_id: milliseconds(at)}, xx=True)

    def stop_watching(self, account: str, order_id: str) -> None:
        """Look at an order no more."""
        self._redis.zrem(keys.watched(account), order_id)
