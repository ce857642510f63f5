"""An account's health, pause and tokens, shared by all workers."""

import math
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

#: Outages in a row that open an account's circuit.
OUTAGES = 5
#: Different orders refused (403), with no good answer in between, that park the account.
REFUSALS = 3
#: Different orders newly unreadable, with no good answer in between, that open its circuit.
UNREADABLE = 3
#: A pause without an end, as milliseconds since the epoch (the year 9999).
_FOREVER = 253_402_300_799_000


class AccountHealth(StrEnum):
    """How an account is doing. `THROTTLED` and `PAUSED` pass by time or by a person's word."""

    OK = "ok"
    THROTTLED = "throttled"
    PAUSED = "paused"
    UNAUTHORIZED = "unauthorized"
    DOWN = "down"

    @property
    def holds_orders(self) -> bool:
        """Whether its orders are held, but for a try now and then."""
        return self not in {AccountHealth.OK, AccountHealth.THROTTLED}


@dataclass(frozen=True, slots=True)
class AccountState:
    """What is known of an account. Moments are epoch seconds; `until` ends a pause or a throttle (None: no end).

    `since`: since when its health is what it is; a throttle begins with the first 429 after a good answer. `why` is
    what the provider said: an HTTP status, or in words why there was none. `beneath`: what a pause covers, the account
    as it is refused or down; None where it is neither. `booked`: how many requests have a slot booked for later,
    the last of them at `booked_until`. `hint_until`: until when the provider asked to be left alone, whatever else the
    account is.
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
        """What keeps tickets away: what is beneath a pause, where something is, else the account as it is."""
        return self.underlying or self

    def booked_ahead(self, now: float) -> float:
        """Return by how many seconds the last booked request lies behind the next that the account may get."""
        return max(0.0, (self.booked_until or 0.0) - max(now, self.hint_until or 0.0))

    @property
    def rejects_key(self) -> bool:
        """Whether its provider refuses our key, also beneath a pause."""
        return self.without_pause.health is AccountHealth.UNAUTHORIZED


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What an attempt said of the account.

    Nobody may ask before `until` (epoch seconds), which ends a throttle; `why`: the HTTP status, or why there was none.
    `order_id`: empty where the same order has said the same before.
    """

    signal: AccountSignal
    order_id: str
    probe: bool
    until: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ReportResult:
    """The account's health before and after a report, and whether operators are told of it."""

    before: AccountHealth
    after: AccountHealth
    alerted: bool


@dataclass(frozen=True, slots=True)
class PauseResult:
    """Until when an account is paused (epoch seconds; None: until it is resumed).

    `longer`: it was before, for longer than is wanted now, and stays so.
    """

    until: float | None
    already_longer: bool


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """What resuming an account did.

    `told`: operators are notified of its recovery, as they were of its trouble. `until`: when the provider's hint
    ends (epoch seconds), which stands, or None. `released`: how many orders continue. `probing`: how many orders are
    open of an account that was refused or down and stays so until a probe succeeds; None for any other account.
    """

    alerted: bool = False
    until: float | None = None
    released: int = 0
    probing: int | None = None


class AccountStore:
    """Accounts in Redis."""

    def __init__(self, redis: "Redis", patient: "Redis") -> None:
        """Both decode responses; `patient` is for what a provider said of the account."""
        self._redis = redis
        self._report = load(patient, "report_health")
        self._scripts = {
            name: load(redis, name) for name in ("reserve_token", "pause", "resume", "alert_long_throttle")
        }

    def report_health(
        self, account: str, report: AccountReport, probe: tuple[float, float], alert: OperatorAlert
    ) -> ReportResult:
        """Take note of what an answer says of the account; operators are told where its health changed by it."""
        before, after, told = self._report(
            keys=_keys(account, alert),
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
                "alert": alert_arguments(alert),
            },
        )
        return ReportResult(AccountHealth(before), AccountHealth(after), bool(told))

    def alert_long_throttle(self, account: str, throttled_after: float, alert: OperatorAlert) -> bool:
        """Tell operators, once, where the account has been throttled for `throttled_after` seconds."""
        args = {"throttled_for": milliseconds(throttled_after), "alert": alert_arguments(alert)}
        return bool(self._scripts["alert_long_throttle"](keys=_keys(account, alert), args=args))

    def reserve_token(self, account: str, rate: Rate, booker: BookingKind, booker_id: str) -> Reservation:
        """Take a token for a request that is no attempt, or book the next free slot: come back then and ask again."""
        now, verdict, *at = self._scripts["reserve_token"](
            keys=[keys.account(account), keys.tokens(account), *lanes(account)],
            args={"booking": booking_name(booker, booker_id), "rate": rate_arguments(rate)},
        )
        return Reservation(verdict == "go", now / 1_000, float(at[0]) / 1_000 if at else None)

    def pause(self, account: str, until: float | None) -> PauseResult:
        """Send nothing to the account until `until` (epoch seconds; None: until it is resumed), or longer as it is."""
        wanted = _FOREVER if until is None else milliseconds(until)
        till = self._scripts["pause"](keys=[keys.account(account)], args={"till": wanted})
        return PauseResult(None if till == _FOREVER else till / 1_000, already_longer=till > wanted)

    def resume(self, account: str, alert: OperatorAlert, *, now: bool = False) -> ResumeResult:
        """End a pause; where the account is refused or down, the next attempt probes it.

        A throttle stands, unless it is to end `now`.
        """
        args = {"end_throttle": now, "alert": alert_arguments(alert)}
        told, until = self._scripts["resume"](keys=_keys(account, alert), args=args)
        return ResumeResult(bool(told), until / 1_000 if until else None)

    def state(self, account: str, rate: Rate) -> AccountState:
        """How the account is doing now."""
        now = self.now()
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.account(account))
        pipe.hmget(keys.tokens(account), "tat", "blocked", "shift")
        pipe.zcard(keys.bookings(account))
        pipe.zrange(keys.bookings(account), -1, -1, withscores=True)
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
        # The second keeps us from all orders that could probe an account which is refused or down.
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

    def is_throttled(self, account: str) -> bool:
        """Whether the provider has asked us to leave the account alone for now (429)."""
        blocked = self._redis.hget(keys.tokens(account), "blocked")
        return (seconds(blocked) or 0.0) > self.now()

    def wants_release(self, account: str) -> int:
        """How many held orders may go on: all (-1) when the account is well, one when a probe is due, or none."""
        now = self.now()
        state, probe_at, paused_until = cast(
            "list[str | None]",
            self._redis.hmget(keys.account(account), ["state", "probe_at", "paused_until"]),
        )
        if (seconds(paused_until) or 0) > now:
            return 0
        if state in {None, AccountHealth.OK.value}:
            return -1
        return int((seconds(probe_at) or 0) <= now)

    def postpone_list(self, account: str, seconds: float) -> None:
        """Do not ask for the account's list of orders for so long."""
        self._redis.set(keys.list_wait(account), 1, px=milliseconds(seconds))

    def is_list_postponed(self, account: str) -> bool:
        """Return whether the provider asked us not to ask for the account's list yet."""
        return bool(self._redis.exists(keys.list_wait(account)))

    def allow_list(self, account: str) -> None:
        """Let the list be asked for at once."""
        self._redis.delete(keys.list_wait(account))

    def now(self) -> float:
        """The server's clock, epoch seconds; whole milliseconds, as the scripts read it and as they are kept."""
        moment, micros = self._redis.time()
        return moment + micros // 1_000 / 1_000


def _keys(account: str, alert: OperatorAlert) -> list[str]:
    """The keys of scripts that may change an account's health."""
    return [
        keys.account(account),
        keys.tokens(account),
        keys.due(account),
        keys.held(account),
        *alert_keys(alert.subject),
    ]


def _tokens_left(rate: Rate, tat: float, now: float) -> int:
    """The burst less what was sent and has not been refilled; times in milliseconds."""
    interval = rate_arguments(rate)["interval"]
    return max(0, rate.burst - math.ceil(max(0.0, tat - now) / interval))
