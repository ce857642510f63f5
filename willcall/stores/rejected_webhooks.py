"""Webhooks that were rejected, so that operators see them: a provider that signs with another key, a wrong address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.stores import keys

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after the last one for which rejected webhooks are remembered, unless an accepted one comes before.
REMEMBERED = 86_400


class RejectionReason(StrEnum):
    """Why a webhook was rejected."""

    ADDRESS = "address"
    SIGNATURE = "signature"
    UNREADABLE = "unreadable"

    @property
    def text(self) -> str:
        return {self.ADDRESS: "wrong token in the address", self.SIGNATURE: "wrong signature"}.get(self, self.value)


@dataclass(frozen=True, slots=True)
class RejectedWebhooks:
    """How many webhooks of an account were rejected since the last accepted one, and why the last of them was.

    `since` and `last` are epoch seconds by the server's clock.
    """

    count: int
    since: float
    last: float
    reason: RejectionReason


class RejectedWebhookStore:
    """Rejected webhooks in Redis, by account."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def record(self, account: str, reason: RejectionReason, count: int = 1) -> None:
        """Count rejected webhooks of an account."""
        now = self._redis.time()[0]
        pipe = self._redis.pipeline()
        key = keys.rejected_webhooks(account)
        pipe.hincrby(key, "count", count)
        pipe.hsetnx(key, "since", now)
        pipe.hset(key, mapping={"last": now, "reason": reason.value})
        pipe.expire(key, REMEMBERED)
        pipe.hincrby(keys.REJECTED_WEBHOOK_COUNTS, f"{account} {reason}", count)
        pipe.execute()

    def clear(self, account: str) -> None:
        """Forget them: a webhook of the account was accepted."""
        self._redis.delete(keys.rejected_webhooks(account))

    def read(self, accounts: Sequence[str]) -> dict[str, RejectedWebhooks]:
        """Return the accounts that have rejected webhooks."""
        pipe = self._redis.pipeline(transaction=False)
        for account in accounts:
            pipe.hgetall(keys.rejected_webhooks(account))
        return {account: _read(fields) for account, fields in zip(accounts, pipe.execute(), strict=True) if fields}

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many webhooks were rejected so far, by account and reason."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.REJECTED_WEBHOOK_COUNTS))
        return {(name.partition(" ")[0], name.partition(" ")[2]): int(count) for name, count in found.items()}


def _read(fields: Mapping[str, str]) -> RejectedWebhooks:
    return RejectedWebhooks(
        int(fields["count"]), float(fields["since"]), float(fields["last"]), RejectionReason(fields["reason"])
    )
