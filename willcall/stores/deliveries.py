"""Deliveries of events to backends and operators: at most one event per subject is pending at a time.

The subject is an order for backends, and whatever the event is about for operators.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.orders.callbacks import CallbackStatus, DeliveryDecision
from willcall.stores import keys
from willcall.stores.codec import compact_json, milliseconds, optional_milliseconds, seconds
from willcall.stores.events import NewEvent, StoredEvent, event_arguments
from willcall.stores.operator_events import (
    OperatorAlert,
    OperatorEvent,
    alert_arguments,
    alert_keys,
    order_subject,
    read_operator_event,
)
from willcall.stores.pending import PendingSummary, read_oldest, read_pending
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: How many attempts are stored per subject: those of three schedules, the newest.
MOST_ATTEMPTS = 30


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who is notified, and the keys of their deliveries. `orders`: subjects are orders and name the callback URL."""

    due: str
    pending: str
    progress: str
    delivery: Callable[[str], str]
    attempts: Callable[[str], str]
    orders: bool


BACKENDS = Recipients(
    keys.DELIVERIES_DUE,
    keys.DELIVERIES_PENDING,
    keys.DELIVERY_PROGRESS,
    keys.delivery,
    keys.delivery_attempts,
    orders=True,
)
OPERATORS = Recipients(
    keys.OPERATOR_DELIVERIES_DUE,
    keys.OPERATOR_DELIVERIES_PENDING,
    keys.OPERATOR_DELIVERY_PROGRESS,
    keys.operator_delivery,
    keys.operator_delivery_attempts,
    orders=False,
)


@dataclass(frozen=True, slots=True)
class DeliveryMessage:
    """A message that makes a worker deliver an event.

    `number` is the fence: only the message with the delivery's current number may act. `host` is that of the callback
    URL, empty for operators.
    """

    subject: str
    event_id: str
    number: int
    host: str


class DeliveryVerdict(StrEnum):
    """What a worker does with a message; see `lua/claim_delivery.lua`."""

    STALE = "stale"
    BUSY = "busy"
    WAIT = "wait"
    GO = "go"


@dataclass(frozen=True, slots=True)
class DeliveryClaim:
    """The answer to a claim. `now` is the server's clock, epoch seconds.

    `WAIT`: send `next_message` in `wait` seconds. `GO`: deliver `event`, after so many `tries`. For backends, `client`
    and `url` are what the order says about who is notified, and where.
    """

    verdict: DeliveryVerdict
    now: float
    next_message: DeliveryMessage | None = None
    wait: float = 0.0
    event: StoredEvent | OperatorEvent | None = None
    url: str | None = field(default=None, repr=False)
    client: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """An attempt to deliver an event, at an epoch second. `wait`: seconds until the next one, if there is one."""

    at: float
    event_id: str
    event_type: str
    http_status: int | None
    why: str
    wait: float | None


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The delivery of a subject's latest event. `next_try_at` (epoch seconds) while it is pending.

    `later_id`: the id of an event that waits until this one is delivered.
    """

    event_id: str
    event_type: str
    status: CallbackStatus
    next_try_at: float | None
    later_id: str | None = None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """What is written if an order needs attention because its event was given up.

    `event`: for the feed only, as a backend that cannot be notified is not notified of that; `client`: its owner.
    """

    event: NewEvent
    alert: OperatorAlert
    client: str | None


class DeliveryStore:
    """Deliveries in Redis. `lua/file_delivery.lua` creates them, in the step that writes the event."""

    def __init__(self, redis: "Redis", patient: "Redis", recipients: Recipients = BACKENDS) -> None:
        """Use a patient client for results, so that they survive a restart of Redis."""
        self._redis = redis
        self._recipients = recipients
        names = ("claim_delivery", "redeliver", "resend_deliveries")
        self._scripts = {name: load(redis, name) for name in names} | {
            "record_delivery": load(patient, "record_delivery")
        }

    def claim(self, message: DeliveryMessage, claim_id: str, lease: float, postpone_by: float = 0.0) -> DeliveryClaim:
        """Claim one attempt for `lease` seconds, or postpone it by `postpone_by` seconds if that is not 0."""
        subject, recipients = message.subject, self._recipients
        verdict, now, *rest = self._scripts["claim_delivery"](
            keys=[
                recipients.delivery(subject),
                recipients.due,
                recipients.progress,
                *([keys.spec(subject)] if recipients.orders else []),
            ],
            args={
                "subject": subject,
                "event": message.event_id,
                "number": message.number,
                "claim": claim_id,
                "lease": milliseconds(lease),
                "postpone": milliseconds(postpone_by) or None,
            },
        )
        match DeliveryVerdict(verdict):
            case DeliveryVerdict.WAIT:
                until, number = rest
                again = DeliveryMessage(subject, message.event_id, number, message.host)
                return DeliveryClaim(DeliveryVerdict.WAIT, now / 1_000, again, (until - now) / 1_000)
            case DeliveryVerdict.GO:
                flat, spec = rest
                record = dict(zip(flat[::2], flat[1::2], strict=True))
                submitted = json.loads(spec) if spec else {}
                return DeliveryClaim(
                    DeliveryVerdict.GO,
                    now / 1_000,
                    event=_order_event(subject, record) if recipients.orders else _ops_event(subject, record),
                    url=submitted.get("callback_url"),
                    client=submitted.get("client"),
                    tries=int(record.get("tries", 0)),
                )
            case other:
                return DeliveryClaim(other, now / 1_000)

    def record_delivery(
        self,
        message: DeliveryMessage,
        claim_id: str,
        attempt: DeliveryAttempt,
        decision: DeliveryDecision,
        undeliverable: Undeliverable | None = None,
        *,
        host: str | None = None,
    ) -> tuple[DeliveryMessage, float] | None:
        """Record the result of an attempt. `undeliverable` is written if the order newly needs attention.

        `host`: of the address that the attempt went to, if it is another one than that of the message.
        Returns the next message and in how many seconds to send it: for the next attempt, or for a newer event.
        """
        subject, recipients = message.subject, self._recipients
        now, *rest = self._scripts["record_delivery"](
            keys=[
                recipients.delivery(subject),
                recipients.attempts(subject),
                recipients.due,
                recipients.pending,
                *(
                    [
                        keys.order(subject),
                        keys.ATTENTION,
                        keys.EVENTS,
                        *alert_keys(order_subject(subject)),
                        *_client_events(undeliverable.client if undeliverable else None),
                    ]
                    if recipients.orders
                    else []
                ),
            ],
            args={
                "subject": subject,
                "claim": claim_id,
                "event": message.event_id,
                "number": message.number,
                "result": decision.status,
                "wait": optional_milliseconds(decision.wait),
                "attempt": _line(attempt),
                "most_attempts": MOST_ATTEMPTS,
                "alert": alert_arguments(undeliverable.alert) if undeliverable else None,
                "attention": event_arguments(undeliverable.event) if undeliverable else None,
                "host": host,
            },
        )
        if not rest:
            return None
        event_id, number, host, due = rest
        return DeliveryMessage(subject, event_id, number, host), max(0.0, (due - now) / 1_000)

    def redeliver(
        self, order_id: str, host: str, attention: NewEvent | None = None, client: str | None = None
    ) -> DeliveryMessage | None:
        """Start the schedule of the order's latest event again. Returns the message to send, `None` without an event.

        `host`: of the address that it is sent to. `attention`: written to the feed if the order was undeliverable;
        `client`: its owner. Raises LookupError if the event is neither pending nor in the feed.
        """
        verdict, *rest = self._scripts["redeliver"](
            keys=[
                keys.delivery(order_id),
                keys.DELIVERIES_DUE,
                keys.order(order_id),
                keys.ATTENTION,
                keys.EVENTS,
                keys.DELIVERIES_PENDING,
                *_client_events(client),
            ],
            args={"id": order_id, "host": host, "attention": event_arguments(attention) if attention else None},
        )
        if verdict == "forgotten":
            raise LookupError(order_id)
        return DeliveryMessage(order_id, *rest) if rest else None

    def resend_deliveries(self, grace: float, offset: int, count: int) -> tuple[int, list[DeliveryMessage]]:
        """Look at `count` deliveries from `offset` on that are overdue by `grace` seconds.

        Returns how many there were, and the messages to send again.
        """
        recipients = self._recipients
        seen, *sent = self._scripts["resend_deliveries"](
            keys=[recipients.due, recipients.pending, recipients.delivery(""), recipients.progress],
            args={"grace": milliseconds(grace), "offset": offset, "count": count},
        )
        parts = [sent[at : at + 4] for at in range(0, len(sent), 4)]
        return seen, [
            DeliveryMessage(subject, event_id, int(number), host) for subject, event_id, number, host in parts
        ]

    def pending(self) -> PendingSummary:
        """Return how many events are pending, and the subject whose event has been for longest."""
        return read_pending(self._redis, self._recipients.pending)

    def oldest(self, count: int) -> list[tuple[str, float]]:
        """Return the subjects with pending events, oldest first: (subject, since when, epoch seconds).

        The time is that of the event, or of the request to redeliver it.
        """
        return read_oldest(self._redis, self._recipients.pending, count)

    def pending_after(self, after: float | None, count: int) -> list[tuple[str, float]]:
        """Return about `count` subjects with pending events, oldest first, that have been pending since later.

        More, if many have been since the same moment: the time of the last one is where the next call continues.
        """
        start = "-inf" if after is None else f"({round(after * 1_000)}"
        index = self._recipients.pending
        found = cast(
            "list[tuple[str, float]]", self._redis.zrangebyscore(index, start, "+inf", 0, count, withscores=True)
        )
        if len(found) == count:
            last = found[-1][1]
            found = [entry for entry in found if entry[1] < last]
            found += cast("list[tuple[str, float]]", self._redis.zrangebyscore(index, last, last, withscores=True))
        return [(name, since / 1_000) for name, since in found]

    def hosts(self, subjects: Sequence[str]) -> list[str]:
        """Return the hosts that subjects' latest events are sent to, empty for none."""
        pipe = self._redis.pipeline(transaction=False)
        for subject in subjects:
            pipe.hget(self._recipients.delivery(subject), "host")
        return [host or "" for host in pipe.execute()]

    def latest_attempts(self, subjects: Sequence[str], most: int) -> list[list[DeliveryAttempt]]:
        """Return the last attempts, up to `most`, to deliver each subject's latest event; the newest first."""
        pipe = self._redis.pipeline(transaction=False)
        for subject in subjects:
            pipe.hget(self._recipients.delivery(subject), "event")
            pipe.lrange(self._recipients.attempts(subject), 0, most - 1)
        found = iter(pipe.execute())
        return [
            [attempt for attempt in map(_try, lines) if attempt.event_id == event]
            for event, lines in zip(found, found, strict=True)
        ]

    def get(self, subject: str) -> DeliveryState | None:
        """Return the delivery of a subject's latest event, or `None`."""
        event_id, event_type, state, due, later = cast(
            "list[str | None]",
            self._redis.hmget(self._recipients.delivery(subject), ["event", "type", "state", "due", "later_event"]),
        )
        if event_id is None or event_type is None:
            return None
        return DeliveryState(event_id, event_type, CallbackStatus(state or CallbackStatus.PENDING), seconds(due), later)

    def attempts(self, subject: str) -> list[DeliveryAttempt]:
        """Return the attempts to deliver the subject's events, oldest first."""
        lines = cast("list[str]", self._redis.lrange(self._recipients.attempts(subject), 0, -1))
        return [_try(line) for line in reversed(lines)]


def _client_events(client: str | None) -> list[str]:
    return [keys.client_events(client)] if client else []


def _ops_event(subject: str, record: Mapping[str, str]) -> OperatorEvent:
    return read_operator_event({**record, "id": record["event"], "subject": subject})


def _order_event(order_id: str, record: Mapping[str, str]) -> StoredEvent:
    return StoredEvent(
        cursor=record["cursor"],
        id=record["event"],
        type=record["type"],
        order_id=order_id,
        occurred_at=int(record["at"]) / 1_000,
        data=json.loads(record["data"]),
    )


def _line(attempt: DeliveryAttempt) -> str:
    wait = None if attempt.wait is None else round(attempt.wait, 3)
    return compact_json(
        [milliseconds(attempt.at), attempt.event_id, attempt.event_type, attempt.http_status, attempt.why, wait]
    )


def _try(line: str) -> DeliveryAttempt:
    at, *rest = json.loads(line)
    return DeliveryAttempt(at / 1_000, *rest[:5])
