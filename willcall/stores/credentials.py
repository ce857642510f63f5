"""The credentials of orders' own users, apart from the orders, so that nothing that shows an order shows them."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from willcall.stores import keys
from willcall.stores.codec import compact_json, milliseconds
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds until an order whose deadline has passed, and that still needs its credentials, is looked at again.
_AGAIN = 3_600.0


class SetOutcome(StrEnum):
    """Whether credentials were replaced; see `lua/set_credentials.lua`."""

    SET = "set"
    CLOSED = "closed"
    GONE = "gone"


class CredentialStore:
    """Credentials in Redis. `lua/submit.lua` writes the first ones of an order."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._set = load(redis, "set_credentials")
        self._prune = load(redis, "prune_credentials")

    def get(self, order_id: str) -> Mapping[str, str] | None:
        """Return the credentials of an order's own user, or `None`."""
        text = cast("str | None", self._redis.get(keys.credentials(order_id)))
        return json.loads(text) if text else None

    def set(self, order_id: str, account: str, credentials: Mapping[str, str], digest: str | None) -> SetOutcome:
        """Replace the credentials of an order. `digest`: see `submissions.answer_digest`."""
        return SetOutcome(
            self._set(
                keys=[keys.order(order_id), keys.credentials(order_id), keys.CREDENTIALS, keys.FETCHES_DUE],
                args={
                    "id": order_id,
                    "credentials": compact_json(dict(credentials)),
                    "sharing": keys.sharing(account, ""),
                    "digest": digest,
                },
            )
        )

    def prune(self, count: int) -> int:
        """Remove credentials that orders no longer need, of up to `count` orders. Returns how many it looked at."""
        return int(
            self._prune(
                keys=[keys.CREDENTIALS, keys.FETCHES_DUE],
                args={
                    "count": count,
                    "orders": keys.order(""),
                    "credentials": keys.credentials(""),
                    "again": milliseconds(_AGAIN),
                },
            )
        )
