"""Steps of orders, each written at once: status, tickets, schedule, timeline, event, alert and statistics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from willcall.orders.errors import WillcallError
from willcall.orders.model import Attempt, Order, Status
from willcall.stores import keys
from willcall.stores.bookings import booking_indexes, lanes
from willcall.stores.codec import (
    attempt_text,
    milliseconds,
    mutable_fields,
    optional_milliseconds,
    tickets_text,
)
from willcall.stores.deliveries import DeliveryMessage
from willcall.stores.events import NewEvent, event_arguments
from willcall.stores.messages import Reschedule, read_reschedules
from willcall.stores.operator_events import OperatorAlert, alert_arguments, alert_keys, order_subject
from willcall.stores.scripts import load
from willcall.stores.submissions import AmendedSpec

if TYPE_CHECKING:
    from redis import Redis

#: How many attempts an order's timeline keeps, the newest.
TIMELINE = 100
#: What `lua/commit.lua` returns if another order owns the tickets.
_OWNED_BY_ANOTHER = -2


@dataclass(frozen=True, slots=True)
class OwnedTickets:
    """What identifies the tickets that an order owns (see `orders.user_lists.ticket_keys`).

    `exclusive`: it may own none that another order of the account owns. An order whose reference names it alone owns
    whatever the provider returns for it.
    """

    keys: frozenset[str]
    exclusive: bool


class OwnedByAnotherOrderError(WillcallError):
    """Another order of the account already owns tickets of this one. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one step writes.

    `due_at`: when the order is due next, `None` if it is not.
    `held`: it waits for its account instead. `keep_schedule`: it waits as it did before.
    `earliest`: when it may be due if another attempt was requested while this one was under way.
    `tickets`: whether they changed.
    `held_back`: an event that waited for documents and is superseded now. `look_at`: when to look at changes next.
    `late_check_at`: when an expired order is checked again.
    `fetch_in`: seconds until documents that its tickets lack are fetched, unless that is scheduled already.
    `alert`: for operators, if the order newly needs attention.
    `owns`: the tickets it owns from now on, for accounts with references that list all orders of a user.
    `bucket`: the account's token bucket; empty if that is its own.
    `measures`: counted for the account (see `willcall.orders.statistics`).
    `throttled`: its hint is for the whole account. `answered`: a good answer that was not reported to the account;
    earlier failures no longer count as in a row. `amended`: what was submitted, if it was corrected.
    `replied`: the step applies a push, and the response tells the provider how the order is now. `report`: whether the
    provider is to know how the order ended by a request of its own.
    """

    before: Order
    after: Order
    due_at: float | None = None
    held: bool = False
    keep_schedule: bool = False
    earliest: float = 0.0
    attempt: Attempt | None = None
    tickets: bool = False
    event: NewEvent | None = None
    held_back: NewEvent | None = None
    look_at: float | None = None
    late_check_at: float | None = None
    fetch_in: float | None = None
    alert: OperatorAlert | None = None
    owns: OwnedTickets | None = None
    bucket: str = ""
    measures: tuple[str, ...] = ()
    throttled: bool = False
    answered: bool = False
    amended: AmendedSpec | None = None
    replied: bool = False
    report: Literal["send", "drop"] | None = None

    @property
    def confirms(self) -> bool:
        """Whether nothing has changed of a fulfilled order. Until its event it is polled again and again."""
        return self.before.status is self.after.status is Status.FULFILLED and not self.tickets

    @property
    def place(self) -> Literal["keep", "held", "due", "none"]:
        """The key of the index in which the order waits from then on."""
        if self.keep_schedule:
            return "keep"
        if self.held:
            return "held"
        return "none" if self.due_at is None else "due"


@dataclass(frozen=True, slots=True)
class CommitResult:
    """When the order is due next (epoch seconds, 0.0 if it is not), and which bookings became due sooner.

    `delivery`: the message to send about an event.
    """

    due: float
    delivery: DeliveryMessage | None = None
    reschedules: tuple[Reschedule, ...] = ()


class CommitStore:
    """Commits to Redis."""

    def __init__(self, patient: "Redis") -> None:
        """Use a patient client (see `connection.connect`), so that a provider's answer survives a restart of Redis."""
        self._commit = load(patient, "commit")

    def write(self, commit: Commit, claim_id: str = "") -> CommitResult | None:
        """Write a step, or return `None` if another step changed the order first.

        `claim_id`: of the attempt, empty for a step that is no attempt. Raises OwnedByAnotherOrderError.
        """
        before, after = commit.before, commit.after
        account, fields = before.account_key, mutable_fields(after)
        bucket = commit.bucket or account
        due, reschedules, message = self._commit(
            keys=[
                keys.order(before.id),
                keys.tickets(before.id),
                keys.attempts(before.id),
                keys.due(account),
                keys.held(account),
                keys.index(account, before.status),
                keys.index(account, after.status),
                keys.ATTENTION,
                keys.FINAL,
                keys.LATE,
                keys.EVENTS,
                keys.delivery(before.id),
                keys.DELIVERIES_DUE,
                keys.DELIVERIES_PENDING,
                keys.stats_minute(""),
                keys.stats_hour(""),
                *alert_keys(order_subject(before.id)),
                keys.FETCHES_PENDING,
                keys.tokens(bucket),
                *lanes(bucket),
                keys.throttled(account),
                keys.account(account),
                *booking_indexes(bucket),
                keys.CHANGES,
                keys.spec(before.id),
                keys.credentials(before.id),
                keys.CREDENTIALS,
                keys.REPORTS_DUE,
                keys.REPORTS_PENDING,
                keys.report(before.id),
                *_client_keys(before, after),
            ],
            args={
                "id": before.id,
                "seq": before.seq,
                "claim": claim_id or None,
                "place": commit.place,
                "due": optional_milliseconds(commit.due_at),
                "earliest": milliseconds(commit.earliest),
                "fields": fields,
                "removed": [name for name in mutable_fields(before) if name not in fields and name != "attention"]
                or None,
                "attempt": attempt_text(commit.attempt) if commit.attempt else None,
                "most_attempts": TIMELINE,
                "confirms": commit.confirms or None,
                "tickets": tickets_text(after) if commit.tickets else None,
                "late_check": optional_milliseconds(commit.late_check_at),
                "fetch_in": optional_milliseconds(commit.fetch_in),
                "event": event_arguments(commit.event) if commit.event else None,
                "held_back": event_arguments(commit.held_back) if commit.held_back else None,
                "notified": {"before": before.notified or "", "after": after.notified or ""},
                "look_at": optional_milliseconds(commit.look_at),
                "counter": keys.counter(account, commit.measures) if commit.measures else None,
                "minute_kept": keys.MINUTE_KEPT,
                "hour_kept": keys.HOUR_KEPT,
                "alert": alert_arguments(commit.alert) if commit.alert else None,
                "throttled": commit.throttled or None,
                "answered": commit.answered or None,
                "amended": _amended_arguments(commit.amended) if commit.amended else None,
                "report": commit.report,
                "ownership": _ownership_arguments(before, commit.owns) if commit.owns else None,
            },
        )
        if due == _OWNED_BY_ANOTHER:
            raise OwnedByAnotherOrderError
        if due < 0:
            return None
        delivery = DeliveryMessage(before.id, *message) if message else None
        return CommitResult(due / 1_000, delivery, read_reschedules(reschedules))


def _amended_arguments(amended: AmendedSpec) -> dict[str, Any]:
    arguments = {"spec": amended.text, "digest": amended.digest}
    return arguments if amended.event is None else {**arguments, "event": amended.event}


def _client_keys(before: Order, after: Order) -> list[str]:
    if before.client is None:
        return []
    return [
        keys.index(before.account_key, before.status, before.client),
        keys.index(before.account_key, after.status, before.client),
        keys.client_events(before.client),
    ]


def _ownership_arguments(order: Order, owned: OwnedTickets) -> dict[str, Any]:
    return {
        "owners": keys.ticket_owners(order.account_key),
        "owned": keys.owned_tickets(order.id),
        "tickets": sorted(owned.keys),
        "exclusive": owned.exclusive,
    }
