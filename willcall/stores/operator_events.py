"""Events for operators: a short stream of its own, apart from the backends' feed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from willcall.orders.alerts import AccountChange, account_alert_data, with_advice
from willcall.orders.serialization import known_members, rfc3339
from willcall.stores import keys
from willcall.stores.codec import compact_json

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """A change that operators are notified of, at an epoch second.

    `subject` is what changed, `account:<provider>/<account>` or `order:<id>`. A newer event supersedes an older one.
    """

    id: str
    type: str
    at: float
    subject: str
    data: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON, the body of the callback."""
        return {
            "id": self.id,
            "type": self.type,
            "subject": self.subject,
            "occurred_at": rfc3339(self.at),
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True)
class OperatorAlert:
    """The event that notifies operators if a step makes the change in question.

    `send`: operators have a callback URL. `order`: the order concerned, as JSON without its attention.
    """

    id: str
    subject: str
    send: bool
    order: Mapping[str, Any] | None = None


def account_subject(account_key: str) -> str:
    """Return the subject of an account's events."""
    return f"account:{account_key}"


def order_subject(order_id: str) -> str:
    """Return the subject of an order's events."""
    return f"order:{order_id}"


def alert_keys(subject: str) -> list[str]:
    """Return the keys that `lua/alert.lua` writes to."""
    return [
        keys.OPERATOR_EVENTS,
        keys.operator_delivery(subject),
        keys.OPERATOR_DELIVERIES_DUE,
        keys.OPERATOR_DELIVERIES_PENDING,
    ]


def alert_arguments(alert: OperatorAlert) -> dict[str, Any]:
    """Return the `alert` that scripts are given; see `lua/alert.lua`."""
    arguments: dict[str, Any] = {"id": alert.id, "subject": alert.subject, "send": alert.send}
    return arguments if alert.order is None else {**arguments, "order": compact_json(alert.order)}


class OperatorEventStore:
    """Events for operators in Redis. `lua/alert.lua` writes them, in the step that makes the change."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def recent(self, count: int) -> list[OperatorEvent]:
        """Return the latest `count` events, newest first."""
        entries = cast("list[tuple[str, dict[str, str]]]", self._redis.xrevrange(keys.OPERATOR_EVENTS, count=count))
        return [read_operator_event(fields) for _, fields in entries]


def read_operator_event(fields: Mapping[str, str]) -> OperatorEvent:
    """Return an event from its fields in Redis."""
    subject, data = fields["subject"], json.loads(fields["data"])
    kind, _, name = subject.partition(":")
    if kind == "account":
        data = account_alert_data(name, AccountChange(**known_members(AccountChange, data)))
    else:
        data = with_advice(data)
    return OperatorEvent(fields["id"], fields["type"], int(fields["at"]) / 1_000, subject, data)
