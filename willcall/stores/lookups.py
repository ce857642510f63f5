"""Looks at what a provider says about a reference, which store nothing of it."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from willcall.stores import keys
from willcall.stores.codec import milliseconds, reference_digest
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis


class LookupVerdict(StrEnum):
    """Whether a look is permitted; see `lua/claim_lookup.lua`."""

    GO = "go"
    WAIT = "wait"
    BUSY = "busy"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class LookupClaim:
    """The answer to a claim. `at`: now, until when to wait, or when the order is polled by itself (epoch seconds)."""

    verdict: LookupVerdict
    at: float | None = None


class LookupStore:
    """Looks in Redis: only until when no other one may follow."""

    def __init__(self, redis: "Redis") -> None:
        self._claim = load(redis, "claim_lookup")
        self._hold = load(redis, "hold_lookup")

    def claim(
        self,
        account: str,
        reference: str,
        order_id: str | None,
        minimum: float,
        *,
        interval_scope: str | None = None,
        check: bool = False,
    ) -> LookupClaim:
        """Claim a look. `order_id`: the order of that reference; `minimum`: seconds between two requests about it.

        `interval_scope`: see `providers.base.Account`. With `check`, only say whether a claim would be granted.
        """
        order = [keys.order(order_id)] if order_id else []
        args = {
            "minimum": milliseconds(minimum),
            "check": check or None,
            "shared_interval": keys.shared_interval(interval_scope or account, ""),
            "digest": reference_digest(reference) if interval_scope else None,
        }
        verdict, *at = self._claim(keys=[lookup_key(account, reference), *order], args=args)
        return LookupClaim(LookupVerdict(verdict), at[0] / 1_000 if at else None)

    def hold(self, account: str, reference: str, order_id: str | None, until: float) -> None:
        """Let nothing follow before an epoch second, as the provider asked."""
        order = [keys.order(order_id), keys.due(account)] if order_id else []
        args = {"id": order_id, "till": milliseconds(until)}
        self._hold(keys=[lookup_key(account, reference), *order], args=args)


def lookup_key(account: str, reference: str) -> str:
    """Return the key of the looks at a reference."""
    return keys.lookup(account, blake2b(reference.encode(), digest_size=12).hexdigest())
