"""The state of orders and the due index. Every method that changes state is one atomic Lua script."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

from willcall.orders.errors import WillcallError
from willcall.orders.model import Attempt, Order, Status
from willcall.orders.policy import Rate
from willcall.orders.urls import callback_host
from willcall.orders.user_lists import Ownership
from willcall.stores import keys
from willcall.stores.bookings import Reschedule, lanes, read_reschedules
from willcall.stores.codec import (
    attempt_from,
    attempt_text,
    compact_json,
    milliseconds,
    mutable_fields,
    optional_milliseconds,
    order_from,
    spec_of,
    tickets_text,
)
from willcall.stores.operator_events import OperatorAlert, alert_arguments, alert_keys, order_subject
from willcall.stores.rates import rate_arguments
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds by which the last attempt, at the deadline, may be late, where the minimum is shorter (`lua/claim.lua`).
LAST_ATTEMPT = 2.0
#: Longest timeline kept per order; older attempts are forgotten first.
TIMELINE = 100

#: What `lua/commit.lua` returns where another order holds the tickets.
_HELD_BY_ANOTHER = -2
#: Fields of a hash that are read in one call.
_MOST_KEYS = 1_000
#: Seconds after which a call that submitted an order without confirming its first message has ended for sure.
_CALL_ENDS = 1.0


class PollVerdict(StrEnum):
    """What a claim comes to; see `lua/claim.lua`."""

    GONE = "gone"
    STALE = "stale"
    CLOSED = "closed"
    BUSY = "busy"
    HELD = "held"
    WAIT = "wait"
    EXPIRE = "expire"
    GO = "go"


@dataclass(frozen=True, slots=True)
class PollClaim:
    """The answer to a claim. `now` is the server's clock, epoch seconds.

    `until` is when to come back (`WAIT`); `order` is there for `EXPIRE` and `GO`. `probe`: this attempt tries
    a parked account. `clean`: the account has nothing against it, so that a good answer need not be reported.
    `token_wait`: seconds until the token that the attempt was given, None where it was given none or had one booked.
    `send_at`: the request must not leave before this. `override`: a person has it sent in spite of a throttle. `wakes`:
    others that are due sooner by this claim.
    """

    verdict: PollVerdict
    now: float
    until: float = 0.0
    order: Order | None = None
    probe: bool = False
    account_healthy: bool = False
    token_wait: float | None = None
    send_at: float = 0.0
    override: bool = False
    reschedules: tuple[Reschedule, ...] = ()

    @property
    def granted_order(self) -> Order:
        """The order of a claim that was granted."""
        if self.order is None:
            raise ValueError(f"a claim that came to {self.verdict} has no order")
        return self.order


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to file. `digest` tells same from other content; `ceiling`: seconds until its deadline."""

    order: Order
    digest: str
    ceiling: float


class SubmitOutcome(StrEnum):
    """What became of a submission."""

    NEW = "new"
    SAME = "same"
    CONFLICT = "conflict"


class Requester(StrEnum):
    """Who asks for an attempt ahead of its time. `OVERRIDE` is a person who does so in spite of the provider's hint."""

    SWEEP = "sweep"
    PROVIDER = "provider"
    OPERATOR = "operator"
    OVERRIDE = "override"


class ExpediteOutcome(StrEnum):
    """What became of a request to ask sooner; see `lua/expedite.lua`."""

    SENT = "sent"
    GONE = "gone"
    CLOSED = "closed"
    HELD = "held"
    BUSY = "busy"
    SOON = "soon"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class ExpediteResult:
    """The result of a request to ask sooner.

    `at`: when the provider will be asked (epoch seconds), None where that is not known. `message`: the message to send
    for it, None where one is under way already.
    """

    outcome: ExpediteOutcome
    at: float | None = None
    message: "PollMessage | None" = None


@dataclass(frozen=True, slots=True)
class PollMessage:
    """A poll message to send: which order, its sequence number, and when it is due (epoch seconds).

    `token`: it comes back at a slot that is booked for it, and should not queue behind those without one.
    """

    order_id: str
    seq: int
    due: float
    has_slot: bool = False


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The message of an account's probe, None where none is to be sent.

    `hint_until`: until when the provider's hints keep us from all orders that could be it (epoch seconds).
    """

    message: PollMessage | None = None
    hint_until: float | None = None


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What became of one filing.

    `message` is the first of the order's poll chain, None where it need not be sent. `now` is the server's clock, epoch
    seconds. `ahead`: pushes came ahead of the order, and are to be attached.
    """

    outcome: SubmitOutcome
    message: PollMessage | None
    now: float
    pushes_ahead: bool


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One change of an order's status, as it goes into the outbox. `data` is the order's JSON."""

    id: str
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OwnedTickets:
    """What identifies the tickets that an order holds (see `orders.user_lists.ticket_keys`).

    `exclusive`: it may hold none that another order of the account does. An order whose reference names it alone holds
    what the provider says that it has.
    """

    keys: frozenset[str]
    exclusive: bool


class OwnedByAnotherOrderError(WillcallError):
    """Another order of the account has got tickets of this one meanwhile. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one commit writes.

    `wake_at` is None where the order is not to be looked at again by itself; `held` puts it with the orders
    that wait for their account; `keep` leaves it wherever it waits. `tickets` says whether they changed.
    `late_check_at` files an expired order for `reconcile`; `fetch_in` (seconds) one whose tickets lack documents,
    unless it is filed already. `holds`: what it holds from then on, of an account with users' lists. `alert` is for
    operators, should the order newly need attention. `measures` are counted for the account (see `orders.measures`).
    `throttled`: the order's hint asks to leave the whole account alone. `answered`: the provider answered well, of
    which the account was not told by a report; troubles before that are none in a row with later ones.
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
    late_check_at: float | None = None
    fetch_in: float | None = None
    alert: OperatorAlert | None = None
    owns: OwnedTickets | None = None
    measures: tuple[str, ...] = ()
    throttled: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What was written: when the order is due next (epoch seconds, 0.0 where it is not), and who else is due sooner."""

    due: float
    reschedules: tuple[Reschedule, ...] = ()


class OrderStore:
    """Orders in Redis."""

    def __init__(self, redis: "Redis", patient: "Redis") -> None:
        """Both decode responses (see `connection.connect`); `patient` is for commits."""
        self._redis = redis
        names = (
            "submit",
            "read_order",
            "claim",
            "extend_lease",
            "expedite",
            "release_held",
            "release_throttled",
            "release_probe",
            "resend_polls",
            "find_past_deadline",
            "prune",
            "postpone_resend",
        )
        self._scripts = {name: load(redis, name) for name in names} | {"commit": load(patient, "commit")}

    def submit(self, filings: Sequence[NewOrder]) -> list[SubmitResult]:
        """File orders, each once and for itself, in one round trip; times are set by the server's clock."""
        replies = self._scripts["submit"].many([_submission(filing) for filing in filings])
        return [
            SubmitResult(
                SubmitOutcome(verdict),
                PollMessage(filing.order.id, 1, due / 1_000) if due else None,
                now / 1_000,
                bool(ahead),
            )
            for filing, (verdict, due, now, ahead) in zip(filings, replies, strict=True)
        ]

    def confirm_sent(self, order_ids: Sequence[str]) -> None:
        """Note that the first messages of these orders are sent; until then submitting again sends them again."""
        with self._redis.pipeline(transaction=False) as pipe:
            for order_id in order_ids:
                pipe.hdel(keys.order(order_id), "nonce")
            pipe.execute()

    def claim(
        self, message: tuple[str, int], account: str, claim_id: str, lease: float, rate: Rate, *, minimum: float
    ) -> PollClaim:
        """Permission for one attempt; `message` is (order id, seq), `lease` seconds until it may be claimed again.

        `minimum` is the least number of seconds between two attempts.
        """
        order_id, seq = message
        verdict, now, *rest = self._scripts["claim"](
            keys=[
                keys.order(order_id),
                keys.spec(order_id),
                keys.tickets(order_id),
                keys.due(account),
                keys.held(account),
                keys.tokens(account),
                keys.account(account),
                keys.ATTENTION,
                *lanes(account),
                keys.stranded(account),
                keys.order(""),
                keys.FETCHES_DUE,
                keys.progress(account),
            ],
            args={
                "id": order_id,
                "seq": seq,
                "claim": claim_id,
                "lease": milliseconds(lease),
                "rate": rate_arguments(rate),
                "minimum": milliseconds(minimum),
                "last_attempt": milliseconds(LAST_ATTEMPT),
            },
        )
        match PollVerdict(verdict):
            case PollVerdict.WAIT:
                until, booked, wakes = rest
                return PollClaim(
                    PollVerdict.WAIT,
                    now / 1_000,
                    until / 1_000,
                    token_wait=(until - now) / 1_000 if booked else None,
                    reschedules=read_reschedules(wakes),
                )
            case PollVerdict.EXPIRE:
                flat, spec, tickets, wakes = rest
                order = order_from(order_id, dict(_pairs(flat)), spec, tickets)
                return PollClaim(PollVerdict.EXPIRE, now / 1_000, order=order, reschedules=read_reschedules(wakes))
            case PollVerdict.GO:
                flat, spec, tickets, mark, at_text, wakes = rest
                at = float(at_text)
                fields = dict(_pairs(flat))
                return PollClaim(
                    PollVerdict.GO,
                    now / 1_000,
                    order=order_from(order_id, fields, spec, tickets),
                    probe=mark == "probe",
                    account_healthy=mark == "clean",
                    token_wait=None if "slot" in fields else (at - now) / 1_000,
                    send_at=at / 1_000,
                    override="override" in fields,
                    reschedules=read_reschedules(wakes),
                )
            case other:
                return PollClaim(other, now / 1_000)

    def extend_lease(self, order_id: str, claim_id: str, lease: float) -> bool:
        """Give a claimed attempt `lease` seconds from now; False where the order is not this attempt's any more."""
        args = {"claim": claim_id, "lease": milliseconds(lease)}
        return bool(self._scripts["extend_lease"](keys=[keys.order(order_id)], args=args))

    def commit(self, commit: Commit, claim_id: str = "") -> CommitResult | None:
        """Write what became of an order if nobody else did meanwhile.

        Returns `None` where the fence did not hold and nothing was written. `claim_id` is the attempt's, '' for changes
        that are no attempt. Raises HeldByAnotherError.
        """
        before, after = commit.before, commit.after
        account, fields = before.account_key, mutable_fields(after)
        place = (
            "keep" if commit.keep_schedule else "held" if commit.held else "none" if commit.due_at is None else "due"
        )
        due, wakes = self._scripts["commit"](
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
                keys.FETCHES_DUE,
                keys.delivery(before.id),
                keys.DELIVERIES_DUE,
                keys.DELIVERIES_PENDING,
                keys.stats_minute(""),
                keys.stats_hour(""),
                *alert_keys(order_subject(before.id)),
                keys.FETCHES_PENDING,
                keys.tokens(account),
                *lanes(account),
                keys.stranded(account),
                keys.order(""),
                keys.throttled(account),
                keys.account(account),
            ],
            args={
                "id": before.id,
                "seq": before.seq,
                "claim": claim_id or None,
                "place": place,
                "due": optional_milliseconds(commit.due_at),
                "earliest": milliseconds(commit.earliest),
                "fields": {name: value for name, value in fields.items() if value is not None},
                "removed": [name for name, value in fields.items() if value is None],
                "attempt": attempt_text(commit.attempt) if commit.attempt else None,
                "most_attempts": TIMELINE,
                "tickets": tickets_text(after) if commit.tickets else None,
                "late_check": optional_milliseconds(commit.late_check_at),
                "fetch_in": optional_milliseconds(commit.fetch_in),
                "event": _event_arguments(commit.event, after) if commit.event else None,
                "counter": keys.counter(account, commit.measures) if commit.measures else None,
                "minute_kept": keys.MINUTE_KEPT,
                "hour_kept": keys.HOUR_KEPT,
                "alert": alert_arguments(commit.alert) if commit.alert else None,
                "throttled": commit.throttled,
                "answered": commit.answered,
                "ownership": _ownership_arguments(before, commit.owns) if commit.owns else None,
            },
        )
        if due == _HELD_BY_ANOTHER:
            raise OwnedByAnotherOrderError
        return None if due < 0 else CommitResult(due / 1_000, read_reschedules(wakes))

    def postpone_resend(self, order_id: str, seq: int, seconds: float) -> float | None:
        """Have no copy of an order's message sent for `seconds`: it waits elsewhere. Returns the server's clock.

        None where the message is stale, so that it need not wait.
        """
        args = {"seq": seq, "wait": milliseconds(seconds)}
        now = self._scripts["postpone_resend"](keys=[keys.order(order_id)], args=args)
        return None if now < 0 else now / 1_000

    def expedite(self, order_id: str, account: str, minimum: float, rate: Rate, requester: Requester) -> ExpediteResult:
        """Ask about an order as soon as hints, `minimum` (seconds) and `rate` allow."""
        verdict, *rest = self._scripts["expedite"](
            keys=[
                keys.order(order_id),
                keys.due(account),
                keys.held(account),
                keys.tokens(account),
                *lanes(account),
                keys.stranded(account),
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
            ExpediteOutcome(verdict),
            None if at is None else at / 1_000,
            PollMessage(order_id, message[0], message[1] / 1_000) if message else None,
        )

    def release_held(self, account: str, count: int, minimum: float) -> list[PollMessage]:
        """Let up to `count` orders that wait for their account go on, those with the nearest deadline first.

        Each is due as soon as its hint and `minimum` (seconds since its last attempt) allow.
        """
        sent = self._scripts["release_held"](
            keys=[keys.held(account), keys.due(account), keys.ATTENTION, keys.order(""), keys.account(account)],
            args={"count": count, "minimum": milliseconds(minimum)},
        )
        return [
            PollMessage(order_id, seq, due / 1_000)
            for order_id, seq, due in zip(sent[::3], sent[1::3], sent[2::3], strict=True)
        ]

    def release_probe(self, account: str, minimum: float) -> ProbeResult:
        """Let one order go on that probes its account, if a probe is due and none is on its way."""
        sent = self._scripts["release_probe"](
            keys=[keys.held(account), keys.due(account), keys.order(""), keys.account(account), keys.tokens(account)],
            args={"minimum": milliseconds(minimum)},
        )
        if not sent:
            return ProbeResult()
        order_id, seq, moment = sent[0], sent[1], sent[2] / 1_000
        return ProbeResult(PollMessage(order_id, seq, moment)) if order_id else ProbeResult(hint_until=moment)

    def release_throttled(self, account: str, count: int, minimum: float) -> tuple[bool, tuple[Reschedule, ...]]:
        """Bring forward orders that met a throttle which a person has ended, about `count` of them.

        Returns whether there may be more, and whom to wake. Without such a throttle it does nothing.
        """
        more, wakes = self._scripts["release_throttled"](
            keys=[
                keys.account(account),
                keys.tokens(account),
                *lanes(account),
                keys.stranded(account),
                keys.throttled(account),
                keys.due(account),
                keys.order(""),
                keys.FETCHES_DUE,
                keys.held(account),
            ],
            args={"count": count, "minimum": milliseconds(minimum)},
        )
        return bool(more), read_reschedules(wakes)

    def resend_polls(self, account: str, grace: float, offset: int, count: int) -> tuple[int, list[PollMessage]]:
        """Look at `count` overdue orders from `offset` on: (how many there were, which to re-send)."""
        seen, *sent = self._scripts["resend_polls"](
            keys=[keys.due(account), keys.order(""), keys.progress(account)],
            args={"grace": milliseconds(grace), "offset": offset, "count": count},
        )
        return seen, [PollMessage(order_id, int(seq), 0.0) for order_id, seq in _pairs(sent)]

    def prune(self, before: float, count: int) -> tuple[int, int]:
        """Look at up to `count` final orders that ended before `before` (epoch seconds), remove those that may go.

        Returns how many were looked at and how many removed. The others count as if they ended now.
        """
        seen, removed = self._scripts["prune"](
            keys=[
                keys.FINAL,
                keys.ATTENTION,
                keys.LATE,
                keys.DELIVERIES_DUE,
                keys.ORPHANED_DOCUMENTS,
                keys.OPERATOR_DELIVERIES_DUE,
                keys.OPERATOR_DELIVERIES_PENDING,
            ],
            args={"before": milliseconds(before), "count": count, "prefix": keys.PREFIX},
        )
        return seen, removed

    def get(self, order_id: str) -> Order | None:
        """One order, None where there is none of that id."""
        return self.get_many([order_id])[0]

    def get_many(self, order_ids: Sequence[str]) -> list[Order | None]:
        """Orders by id, in the same order, in one round trip."""
        found = self._scripts["read_order"].many(
            [([keys.order(order_id), keys.spec(order_id), keys.tickets(order_id)], {}) for order_id in order_ids]
        )
        return [
            order_from(order_id, dict(_pairs(flat)), spec, tickets) if flat and spec else None
            for order_id, (flat, spec, tickets) in zip(order_ids, found, strict=True)
        ]

    def timeline(self, order_id: str) -> list[Attempt]:
        """The order's attempts, oldest first."""
        lanes = cast("list[str]", self._redis.lrange(keys.attempts(order_id), 0, -1))
        return [attempt_from(line) for line in reversed(lanes)]

    def ownership(self, account: str, order_id: str, ticket_keys: Collection[str]) -> Ownership:
        """Return which of the tickets of an account are this order's and which are other orders'."""
        found = dict[str, str]()
        listed = sorted(ticket_keys)
        for first in range(0, len(listed), _MOST_KEYS):
            some = listed[first : first + _MOST_KEYS]
            owners = cast("list[str | None]", self._redis.hmget(keys.ticket_owners(account), some))
            found |= {key: owner for key, owner in zip(some, owners, strict=True) if owner}
        own = frozenset(key for key, owner in found.items() if owner == order_id)
        return Ownership(other_orders=frozenset(found) - own, this_order=own)

    def find_by_reference(self, account: str, reference: str) -> str | None:
        """The id of the order last submitted with a provider's reference."""
        return cast("str | None", self._redis.hget(keys.references(account), reference))

    def is_held(self, account: str, order_id: str) -> bool:
        """Whether an order waits until its account goes on."""
        return self._redis.zscore(keys.held(account), order_id) is not None

    def held_past_deadline(self, account: str, now: float, offset: int, count: int) -> list[str]:
        """Orders that wait for their account although their deadline has come: `count` of them from `offset` on."""
        held = self._redis.zrangebyscore(keys.held(account), "-inf", milliseconds(now), offset, count)
        return cast("list[str]", held)

    def find_past_deadline(self, account: str, late_by: float, offset: int, count: int) -> tuple[int, list[str]]:
        """Look at `count` overdue orders from `offset` on: (how many there were, those to expire).

        These are the open ones whose deadline was `late_by` seconds ago, and which nobody is asking about.
        """
        seen, *order_ids = self._scripts["find_past_deadline"](
            keys=[keys.due(account), keys.order("")],
            args={"late_by": milliseconds(late_by), "offset": offset, "count": count},
        )
        return seen, order_ids

    def remove_held(self, account: str, order_id: str) -> None:
        """Forget that an order waits for its account; it is final."""
        self._redis.zrem(keys.held(account), order_id)

    def late_checks(self, now: float, count: int) -> list[str]:
        """Expired orders whose next late check is due."""
        return cast("list[str]", self._redis.zrangebyscore(keys.LATE, "-inf", milliseconds(now), 0, count))

    def schedule_late_check(self, order_id: str, at: float | None) -> None:
        """File an expired order's next late check, or None for no more."""
        if at is None:
            self._redis.zrem(keys.LATE, order_id)
        else:
            self._redis.zadd(keys.LATE, {order_id: milliseconds(at)}, xx=True)

    def accounts(self) -> list[str]:
        """Keys of the accounts that have ever had an order."""
        return sorted(cast("set[str]", self._redis.smembers(keys.ACCOUNTS)))


def _event_arguments(event: NewEvent, order: Order) -> dict[str, Any]:
    host = callback_host(order.callback_url) if order.callback_url else None
    return {"id": event.id, "type": event.type, "data": compact_json(event.data)} | ({"host": host} if host else {})


def _ownership_arguments(order: Order, owned: OwnedTickets) -> dict[str, Any]:
    return {
        "owners": keys.ticket_owners(order.account_key),
        "owned": keys.owned_tickets(order.id),
        "tickets": sorted(owned.keys),
        "exclusive": owned.exclusive,
    }


def _submission(new: NewOrder) -> tuple[Sequence[str], dict[str, Any]]:
    """Return keys and arguments of `lua/submit.lua`."""
    order, account = new.order, new.order.account_key
    return [
        keys.order(order.id),
        keys.spec(order.id),
        keys.due(account),
        keys.index(account, Status.PENDING),
        keys.references(account),
        keys.ACCOUNTS,
        keys.SUBMISSIONS,
        keys.pushes_ahead(account, order.reference),
    ], {
        "id": order.id,
        "account": account,
        "digest": new.digest,
        "spec": compact_json(spec_of(order)),
        "reference": order.reference,
        "not_before": optional_milliseconds(order.not_before),
        "ceiling": milliseconds(new.ceiling),
        "provider": order.provider,
        "account_name": order.account,
        "nonce": token_hex(8),
        "call_ends": milliseconds(_CALL_ENDS),
    }


def submission_text(order: Order) -> str:
    """The text that tells a repeated submission from a conflicting one."""
    not_before = optional_milliseconds(order.not_before)
    return compact_json([order.provider, order.account, "" if not_before is None else not_before, spec_of(order)])


def _pairs(flat: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
