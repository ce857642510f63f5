"""Checkouts: what a backend wants a provider to create, stored before the provider is called."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

from willcall.stores import keys
from willcall.stores.codec import milliseconds
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds for which a checkout is stored.
KEPT = 30 * 86_400


class CheckoutVerdict(StrEnum):
    """What a call for a checkout does; see `lua/claim_checkout.lua`."""

    GO = "go"
    CONFLICT = "conflict"
    BUSY = "busy"
    UNKNOWN = "unknown"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class StoredCheckout:
    """A checkout to claim. `digest` is of its whole content, `order` what is submitted once it is created (JSON)."""

    order_id: str
    account: str
    digest: str
    order: str = field(repr=False)
    redirect_url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CheckoutClaim:
    """The answer to a claim; reference and payment address once the provider has created the order."""

    verdict: CheckoutVerdict
    reference: str = field(default="", repr=False)
    payment_url: str = field(default="", repr=False)


class CheckoutStore:
    """Checkouts in Redis. The customer's data are not stored."""

    def __init__(self, redis: "Redis", patient: "Redis") -> None:
        self._redis = redis
        self._claim = load(redis, "claim_checkout")
        self._record = load(patient, "record_checkout")

    def claim(self, checkout: StoredCheckout, lease: float) -> CheckoutClaim:
        """Store the intent and allow the call, which may take `lease` seconds; or return what became of it."""
        verdict, *created = self._claim(
            keys=[keys.checkout(checkout.order_id), keys.CHECKOUTS],
            args={
                "id": checkout.order_id,
                "digest": checkout.digest,
                "order": checkout.order,
                "account": checkout.account,
                "redirect_url": checkout.redirect_url,
                "lease": milliseconds(lease),
                "kept": KEPT,
            },
        )
        return CheckoutClaim(CheckoutVerdict(verdict), *created)

    def exists(self, order_id: str) -> bool:
        return bool(self._redis.exists(keys.checkout(order_id)))

    def release(self, order_id: str) -> None:
        """Forget an intent of which the provider certainly knows nothing. The call may be made again."""
        pipe = self._redis.pipeline()
        pipe.delete(keys.checkout(order_id))
        pipe.zrem(keys.CHECKOUTS, order_id)
        pipe.execute()

    def finish(self, order_id: str) -> None:
        """Record that the order of a checkout is submitted."""
        self._redis.zrem(keys.CHECKOUTS, order_id)

    def unfinished(self, now: float, offset: int, count: int) -> list[str]:
        """Return orders of checkouts that should have been submitted by now."""
        found = self._redis.zrangebyscore(keys.CHECKOUTS, "-inf", milliseconds(now), start=offset, num=count)
        return cast("list[str]", found)

    def submission(self, order_id: str) -> tuple[str, str | None] | None:
        """Return what a checkout submits (JSON), and the reference if the provider is known to have created it."""
        order, reference = cast("list[str | None]", self._redis.hmget(keys.checkout(order_id), ["order", "reference"]))
        return None if order is None else (order, reference)

    def record(self, checkout: StoredCheckout, reference: str, payment_url: str) -> None:
        """Record what the provider created."""
        self._record(
            keys=[keys.checkout(checkout.order_id), _return_key(checkout.account, reference)],
            args={"id": checkout.order_id, "reference": reference, "payment_url": payment_url, "kept": KEPT},
        )

    def find_return(self, account: str, reference: str) -> tuple[str, str] | None:
        """Return the order of a reference and where its customer goes from the return address, or `None`."""
        order_id = cast("str | None", self._redis.get(_return_key(account, reference)))
        if order_id is None:
            return None
        url = cast("str | None", self._redis.hget(keys.checkout(order_id), "redirect_url"))
        return (order_id, url) if url else None


def _return_key(account: str, reference: str) -> str:
    return keys.checkout_return(account, blake2b(reference.encode(), digest_size=16).hexdigest())
