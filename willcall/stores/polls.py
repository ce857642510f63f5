"""Claims of orders to poll: one attempt at a time, within the account's rate."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.orders.model import Order
from willcall.orders.policy import Rate
from willcall.stores import keys
from willcall.stores.bookings import booking_indexes, lanes
from willcall.stores.codec import hash_fields, milliseconds, order_from
from willcall.stores.messages import Reschedule, read_reschedules
from willcall.stores.rates import rate_arguments
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds by which the last attempt, at the deadline, may be late; the minimum between two attempts if that is longer.
LAST_ATTEMPT = 2.0


class PollVerdict(StrEnum):
    """What a worker does with a poll message; see `lua/claim.lua`."""

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
    """The answer to a claim. Moments are epoch seconds by the server's clock.

    `until`: when to come back (`WAIT`).
    `order`: for `EXPIRE` and `GO`.
    `probe`: the attempt probes a stopped account.
    `account_healthy`: a good answer tells nothing new about the account and need not be reported.
    `token_wait`: seconds until the token that was given, `None` without a new one.
    `send_at`: the request must not leave earlier.
    `override`: an operator has it sent despite a throttle.
    `reschedules`: bookings that became due sooner.
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
            raise ValueError(f"a claim with the verdict {self.verdict} has no order")
        return self.order


class PollStore:
    """Claims in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._claim = load(redis, "claim")
        self._redis = redis
        self._claim_answer = load(redis, "claim_answer")
        self._extend_lease = load(redis, "extend_lease")
        self._postpone_resend = load(redis, "postpone_resend")

    def claim(
        self,
        message: tuple[str, int],
        account: str,
        claim_id: str,
        lease: float,
        rate: Rate,
        *,
        minimum: float,
        interval_scope: str | None = None,
    ) -> PollClaim:
        """Claim an attempt for a message: (order id, seq).

        `lease`: seconds until the order may be claimed again. `minimum`: seconds between two attempts.
        `interval_scope`: see `providers.base.Account`.
        """
        order_id, seq = message
        bucket = rate.bucket(account)
        verdict, now, *rest = self._claim(
            keys=[
                keys.order(order_id),
                keys.spec(order_id),
                keys.tickets(order_id),
                keys.due(account),
                keys.held(account),
                keys.tokens(bucket),
                keys.account(account),
                keys.ATTENTION,
                *lanes(bucket),
                keys.progress(account),
                *booking_indexes(bucket),
                keys.CHANGES,
                keys.shared_interval(interval_scope or account, ""),
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
                until, booked, reschedules = rest
                return PollClaim(
                    PollVerdict.WAIT,
                    now / 1_000,
                    until / 1_000,
                    token_wait=(until - now) / 1_000 if booked else None,
                    reschedules=read_reschedules(reschedules),
                )
            case PollVerdict.EXPIRE:
                flat, spec, tickets, reschedules = rest
                order = order_from(order_id, hash_fields(flat), spec, tickets)
                return PollClaim(
                    PollVerdict.EXPIRE, now / 1_000, order=order, reschedules=read_reschedules(reschedules)
                )
            case PollVerdict.GO:
                flat, spec, tickets, account_mark, at_text, reschedules = rest
                at = float(at_text)
                fields = hash_fields(flat)
                return PollClaim(
                    PollVerdict.GO,
                    now / 1_000,
                    order=order_from(order_id, fields, spec, tickets),
                    probe=account_mark == "probe",
                    account_healthy=account_mark == "clean",
                    token_wait=None if "slot" in fields else (at - now) / 1_000,
                    send_at=at / 1_000,
                    override="override" in fields,
                    reschedules=read_reschedules(reschedules),
                )
            case PollVerdict.HELD:
                return PollClaim(PollVerdict.HELD, now / 1_000, reschedules=read_reschedules(rest[0]))
            case other:
                return PollClaim(other, now / 1_000)

    def sharers(self, order: Order) -> list[str]:
        """Return the other orders of the same user's list, which share its answers.

        None if the order's credentials were replaced since it was claimed: perhaps the answer is another user's.
        """
        if not order.sharing:
            return []
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(keys.order(order.id), "sharing")
        pipe.smembers(keys.sharing(order.account_key, order.sharing))
        sharing, found = cast("tuple[str | None, set[str]]", pipe.execute())
        return sorted(found - {order.id}) if sharing == order.sharing else []

    def claim_answer(
        self, order_id: str, polled: Order, claim_id: str, lease: float, *, user_list: bool
    ) -> PollClaim | None:
        """Claim an order for the answer that `polled` got, or return `None` if it has no use for it.

        `lease`: seconds until the order may be claimed again. `user_list`: their reference stands for everything that a
        user bought.
        """
        account, digest = polled.account_key, polled.sharing or ""
        reply = self._claim_answer(
            keys=[keys.order(order_id), keys.spec(order_id), keys.tickets(order_id), keys.sharing(account, digest)],
            args={
                "id": order_id,
                "digest": digest,
                "claim": claim_id,
                "lease": milliseconds(lease),
                "user_list": user_list,
                "language": polled.language,
            },
        )
        if not reply:
            return None
        now, flat, spec, tickets = reply
        order = order_from(order_id, hash_fields(flat), spec, tickets)
        return PollClaim(PollVerdict.GO, now / 1_000, order=order, account_healthy=True, send_at=now / 1_000)

    def extend_lease(self, order_id: str, claim_id: str, lease: float) -> bool:
        """Extend a lease to `lease` seconds from now. Returns whether the attempt still claims the order."""
        args = {"claim": claim_id, "lease": milliseconds(lease)}
        return bool(self._extend_lease(keys=[keys.order(order_id)], args=args))

    def postpone_resend(self, order_id: str, seq: int, seconds: float) -> float | None:
        """Postpone the resending of an order's message by `seconds`, while the message waits elsewhere.

        Returns the server's clock, or `None` if the message is stale and need not wait.
        """
        args = {"seq": seq, "wait": milliseconds(seconds)}
        now = self._postpone_resend(keys=[keys.order(order_id)], args=args)
        return None if now < 0 else now / 1_000
