"""The health, pause and tokens of accounts, shared by all workers."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.orders.decision import AccountSignal
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.bookings import BookingKind, Reservation, booking_name, lanes
from willcall.stores.codec import milliseconds, optional_milliseconds, seconds
from willcall.stores.operator_events import OperatorAlert, alert_arguments, alert_keys
from willcall.stores.rates import rate_arguments
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Outages in a row that stop an account.
OUTAGES = 5
#: Different orders answered 403, with no good answer in between, that stop the account.
REFUSALS = 3
#: Different orders with newly unreadable answers, with no good answer in between, that stop the account.
UNREADABLE = 3
#: A pause without an end, as milliseconds since the epoch (the year 9999).
_FOREVER = 253_402_300_799_000


class AccountHealth(StrEnum):
    """The health of an account. `THROTTLED` ends by itself, `PAUSED` at a set time or when it is resumed."""

    OK = "ok"
    THROTTLED = "throttled"
    PAUSED = "paused"
    UNAUTHORIZED = "unauthorized"
    DOWN = "down"

    @property
    def holds_orders(self) -> bool:
        """Whether its orders are held, except for probes."""
        return self not in {AccountHealth.OK, AccountHealth.THROTTLED}


class Releasable(StrEnum):
    """Which held orders may continue: `ALL` of a healthy account, one as the `PROBE` of a stopped one, or `NONE`."""

    ALL = "all"
    PROBE = "probe"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class AccountState:
    """The state of an account. Moments are epoch seconds; `until` ends a pause or a throttle, `None` is no end.

    `since`: when its health last changed; a throttle starts with the first 429 after a good answer.
    `why`: the provider's HTTP status, or why there was none.
    `underlying`: the state under a pause, if the account is stopped for another reason too.
    `booked`: how many requests have a slot, the last of them at `booked_until`.
    `hint_until`: until when the provider asked us to wait, whatever the health.
    """

    health: AccountHealth
    since: float | None
    until: float | None
    probe_at: float | None
    throttles: int
    tokens: int
    burst: int
    why: str | None = None
    underlying: "AccountState | None" = None
    booked: int = 0
    booked_until: float | None = None
    hint_until: float | None = None

    @property
    def without_pause(self) -> "AccountState":
        """The state that prevents tickets: under a pause the underlying one, if there is one."""
        return self.underlying or self

    def booked_ahead(self, now: float) -> float:
        """Return how many seconds the last booked slot is ahead of the next possible request."""
        return max(0.0, (self.booked_until or 0.0) - max(now, self.hint_until or 0.0))

    @property
    def rejects_key(self) -> bool:
        """Whether the provider rejects our key, also under a pause."""
        return self.without_pause.health is AccountHealth.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What an attempt shows about the account.

    `until`: no request may be sent before (epoch seconds). `why`: the HTTP status, or why there was none. `order_id`:
    empty if the same order had the same result before. `user`: the credentials were a user's own, not the account's.
    """

    signal: AccountSignal
    order_id: str
    probe: bool
    until: float | None = None
    why: str = ""
    user: bool = False


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The account's health before and after a report, and whether operators are notified."""

    before: AccountHealth
    after: AccountHealth
    alerted: bool


@dataclass(frozen=True, slots=True)
class PauseResult:
    """Until when an account is paused (epoch seconds, `None` is no end).

    `already_longer`: an earlier pause lasts longer and stays.
    """

    until: float | None
    already_longer: bool


@dataclass(frozen=True, slots=True)
class ResumeOutcome:
    """The result of resuming an account.

    `alerted`: operators are notified of its recovery, as they were of its trouble. `until`: when the provider's hint,
    which still holds, ends (epoch seconds), or None. `released`: how many orders continue. `probing`: the number of
    open orders, if the account stays stopped until a probe succeeds; otherwise None.
    """

    alerted: bool = False
    until: float | None = None
    released: int = 0
    probing: int | None = None


class AccountStore:
    """Accounts in Redis."""

    def __init__(self, redis: "Redis", patient: "Redis") -> None:
        """Use a patient client for reports, so that a provider's answer survives a restart of Redis."""
        self._redis = redis
        self._report = load(patient, "report_health")
        self._scripts = {
            name: load(redis, name)
            for name in ("reserve_token", "pause", "resume", "probe_rejected", "alert_long_throttle")
        }

    def report_health(
        self, account: str, bucket: str, report: AccountReport, probe: tuple[float, float], alert: OperatorAlert
    ) -> ReportResult:
        """Record what an answer shows about the account. Operators are notified if its health changes.

        A throttle holds for its bucket, which other accounts may share. `probe`: the first and the longest interval
        between probes, in seconds.
        """
        before, after, alerted = self._report(
            keys=_keys(account, bucket, alert),
            args={
                "signal": report.signal.value,
                "order": report.order_id or None,
                "probe": report.probe,
                "till": optional_milliseconds(report.until),
                "first_probe": milliseconds(probe[0]),
                "longest_probe": milliseconds(probe[1]),
                "outages": OUTAGES,
                "refusals": REFUSALS,
                "unreadable": UNREADABLE,
                "why": report.why,
                "user": report.user or None,
                "alert": alert_arguments(alert),
            },
        )
        return ReportResult(AccountHealth(before), AccountHealth(after), bool(alerted))

    def alert_long_throttle(self, account: str, throttled_after: float, alert: OperatorAlert) -> bool:
        """Notify operators, once, if the account has been throttled for `throttled_after` seconds."""
        args = {"throttled_for": milliseconds(throttled_after), "alert": alert_arguments(alert)}
        return bool(self._scripts["alert_long_throttle"](keys=_keys(account, account, alert), args=args))

    def reserve_token(
        self,
        account: str,
        rate: Rate,
        kind: BookingKind,
        booking_id: str,
        *,
        express: bool = False,
        user_bound: bool = False,
    ) -> Reservation:
        """Take a token for a request that is no attempt, or book the next free slot; `express`: also of that share.

        `user_bound`: the request has the credentials of its own user, so a rejection of the account's does not matter.
        """
        bucket = rate.bucket(account)
        now, verdict, *at = self._scripts["reserve_token"](
            keys=[keys.account(account), keys.tokens(bucket), *lanes(bucket)],
            args={
                "booking": booking_name(kind, booking_id),
                "rate": rate_arguments(rate),
                "express": express or None,
                "bound": user_bound or None,
            },
        )
        return Reservation(verdict == "go", now / 1_000, float(at[0]) / 1_000 if at else None)

    def return_slot(self, bucket: str, kind: BookingKind, booking_id: str) -> None:
        """Give up a booked slot that will not be used."""
        pipe = self._redis.pipeline()
        for lane in lanes(bucket):
            pipe.zrem(lane, booking_name(kind, booking_id))
        pipe.execute()

    def pause(self, account: str, until: float | None) -> PauseResult:
        """Send nothing to the account until an epoch second, or until it is resumed. A longer pause remains."""
        wanted = _FOREVER if until is None else milliseconds(until)
        till = self._scripts["pause"](keys=[keys.account(account)], args={"till": wanted})
        return PauseResult(None if till == _FOREVER else till / 1_000, already_longer=till > wanted)

    def resume(
        self, account: str, bucket: str, alert: OperatorAlert, *, now: bool = False, sharing: Iterable[str] = ()
    ) -> ResumeOutcome:
        """End a pause. If the account is stopped for another reason, the next attempt probes it.

        A throttle remains, unless `now` ends it too: for the whole bucket, so also for the accounts `sharing` it.
        """
        args = {"end_throttle": now, "alert": alert_arguments(alert)}
        others = [keys.account(other) for other in sharing]
        alerted, until = self._scripts["resume"](keys=[*_keys(account, bucket, alert), *others], args=args)
        return ResumeOutcome(bool(alerted), until / 1_000 if until else None)

    def probe_rejected(self, account: str) -> bool:
        """Make a probe due if the account is stopped because the provider rejects our key. Returns whether it is."""
        return bool(self._scripts["probe_rejected"](keys=[keys.account(account)]))

    def state(self, account: str, rate: Rate) -> AccountState:
        """Return the account's state. Its tokens, bookings and hint are those of its bucket."""
        now, bucket = self.now(), rate.bucket(account)
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.account(account))
        pipe.hmget(keys.tokens(bucket), "tat", "blocked", "shift")
        pipe.zcard(keys.bookings(bucket))
        pipe.zrange(keys.bookings(bucket), -1, -1, withscores=True)
        fields, (tat, blocked, shift), booked, last = pipe.execute()
        found = AccountState(
            health=AccountHealth(fields.get("state", "ok")),
            since=seconds(fields.get("since")),
            until=None,
            probe_at=seconds(fields.get("probe_at")),
            throttles=int(fields.get("throttles", 0)),
            tokens=_tokens_left(rate, float(tat or 0), now * 1_000),
            burst=rate.burst,
            why=fields.get("why"),
            booked=booked,
            booked_until=(last[0][1] + float(shift or 0)) / 1_000 if last else None,
        )
        paused_until = seconds(fields.get("paused_until"))
        # The second one forbids all probes of a stopped account.
        hint_until = max(seconds(blocked) or 0.0, seconds(fields.get("hint_until")) or 0.0)
        if hint_until > now:
            found = replace(found, hint_until=hint_until)
        if paused_until and paused_until > now:
            return replace(
                found,
                health=AccountHealth.PAUSED,
                since=seconds(fields.get("paused_since")),
                until=None if fields["paused_until"] == str(_FOREVER) else paused_until,
                why=None,
                underlying=found if found.health.holds_orders else None,
            )
        if found.health is AccountHealth.OK and found.hint_until:
            since, why = seconds(fields.get("throttled_since")), fields.get("throttled_why")
            return replace(
                found, health=AccountHealth.THROTTLED, since=since, until=found.hint_until, why=why, tokens=0
            )
        return found

    def is_throttled(self, bucket: str) -> bool:
        """Return whether a bucket is blocked because the provider throttles one of its accounts (429)."""
        blocked = self._redis.hget(keys.tokens(bucket), "blocked")
        return (seconds(blocked) or 0.0) > self.now()

    def releasable(self, account: str) -> Releasable:
        """Return which held orders of the account may continue now."""
        now = self.now()
        state, probe_at, paused_until = cast(
            "list[str | None]",
            self._redis.hmget(keys.account(account), ["state", "probe_at", "paused_until"]),
        )
        if (seconds(paused_until) or 0) > now:
            return Releasable.NONE
        if state in {None, AccountHealth.OK.value}:
            return Releasable.ALL
        return Releasable.PROBE if (seconds(probe_at) or 0) <= now else Releasable.NONE

    def postpone_list(self, account: str, seconds: float) -> None:
        """Do not request the account's list of orders for so many seconds."""
        self._redis.set(keys.list_wait(account), 1, px=milliseconds(seconds))

    def is_list_postponed(self, account: str) -> bool:
        """Return whether the account's list of orders may not be requested yet."""
        return bool(self._redis.exists(keys.list_wait(account)))

    def allow_list(self, account: str) -> None:
        """Allow requests of the account's list at once."""
        self._redis.delete(keys.list_wait(account))

    def now(self) -> float:
        """Return the server's clock in epoch seconds, with whole milliseconds as the scripts read it."""
        moment, micros = self._redis.time()
        return moment + micros // 1_000 / 1_000


def _keys(account: str, bucket: str, alert: OperatorAlert) -> list[str]:
    """Return the keys of scripts that may change an account's health."""
    return [
        keys.account(account),
        keys.tokens(bucket),
        keys.due(account),
        keys.held(account),
        *alert_keys(alert.subject),
    ]


def _tokens_left(rate: Rate, tat: float, now: float) -> int:
    """Return the burst less what was sent and is not refilled yet. Times are milliseconds."""
    interval = rate_arguments(rate)["interval"]
    return max(0, rate.burst - math.ceil(max(0.0, tat - now) / interval))
