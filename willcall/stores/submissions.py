"""New orders."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from secrets import token_hex
from typing import TYPE_CHECKING, Any, cast

from willcall.orders.model import Order, Status
from willcall.stores import keys
from willcall.stores.codec import compact_json, milliseconds, optional_milliseconds, reference_digest, spec_of
from willcall.stores.lookups import lookup_key
from willcall.stores.messages import PollMessage
from willcall.stores.schema import RECORD
from willcall.stores.scripts import Arguments, load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds after which a call that submitted an order without confirming its first message has certainly ended.
_CALL_ENDS = 1.0


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to submit. `digest` identifies the content.

    `ceiling`: seconds until its deadline; `minimum`: seconds between two requests about it.

    `user_list`: its reference stands for everything that a user bought, so that orders may have it in common. Others
    need `allow_duplicate` for that. `credentials` are those of the order's own user, none for the account's.
    `interval_scope`: see `providers.base.Account`.
    """

    order: Order
    digest: str
    ceiling: float
    minimum: float = 0.0
    user_list: bool = False
    allow_duplicate: bool = False
    interval_scope: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class SubmitOutcome(StrEnum):
    """Whether an order is new, was submitted before, or conflicts with another one of its id or its reference."""

    NEW = "new"
    SAME = "same"
    CONFLICT = "conflict"
    ERASED = "erased"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The result of submitting one order, at `now` by the server's clock (epoch seconds).

    `message` is the first poll of the order, `None` if it need not be sent. `pushes_ahead`: pushes that arrived before
    the order are stored and must be applied. `duplicate`: another open order of the reference, and its client.
    """

    outcome: SubmitOutcome
    message: PollMessage | None
    now: float
    pushes_ahead: bool
    duplicate: tuple[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class AmendedSpec:
    """What was submitted, after a correction: JSON, the digest of the whole content, and `event` in milliseconds."""

    text: str
    digest: str
    event: int | None


class SubmissionStore:
    """Submissions in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._submit = load(redis, "submit")

    def submit(self, new_orders: Sequence[NewOrder]) -> list[SubmitResult]:
        """Submit orders in one round trip, each once and independently of the others."""
        replies = self._submit.many([_submission(new) for new in new_orders])
        return [
            SubmitResult(
                SubmitOutcome(outcome),
                PollMessage(new.order.id, 1, due / 1_000) if due else None,
                now / 1_000,
                bool(pushes),
                (other[0], other[1] or None) if other else None,
            )
            for new, (outcome, due, now, pushes, *other) in zip(new_orders, replies, strict=True)
        ]

    def amended(self, order: Order, changes: Mapping[str, Any]) -> AmendedSpec:
        """Return what a stored order's submission becomes with some of its fields changed.

        The stored text is changed rather than made anew: a time is not exactly the same after it was seconds.
        """
        stored = json.loads(cast("str | None", self._redis.get(keys.spec(order.id))) or "{}")
        times = {name: optional_milliseconds(changes[name]) for name in ("event_at",) if name in changes}
        spec = {name: value for name, value in {**stored, **changes, **times}.items() if value is not None}
        not_before = None if order.not_before is None else round(order.not_before * 1_000)
        return AmendedSpec(compact_json(spec), _digest(order, not_before, spec), spec.get("event_at"))

    def confirm_sent(self, order_ids: Sequence[str]) -> None:
        """Record that the first messages of orders were sent. Until then, submitting again sends them again."""
        with self._redis.pipeline(transaction=False) as pipe:
            for order_id in order_ids:
                pipe.hdel(keys.order(order_id), "nonce")
            pipe.execute()


def submission_digest(order: Order) -> str:
    """Return the digest that distinguishes a repeated submission from a conflicting one."""
    return _digest(order, optional_milliseconds(order.not_before), spec_of(order))


def _digest(order: Order, not_before: int | None, spec: Mapping[str, Any]) -> str:
    text = compact_json([order.provider, order.account, "" if not_before is None else not_before, spec])
    return blake2b(text.encode(), digest_size=12).hexdigest()


def answer_digest(reference: str, credentials: Mapping[str, str]) -> str:
    """Return what names the orders that share an answer: a user's list depends on whose credentials ask for it."""
    return reference_digest(compact_json([reference, dict(credentials)]) if credentials else reference)


def _submission(new: NewOrder) -> tuple[Sequence[str], Arguments]:
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
        keys.SCHEMA,
        keys.CHANGES,
        keys.credentials(order.id),
        keys.CREDENTIALS,
        lookup_key(account, order.reference),
        keys.throttled(account),
        *_client_keys(order),
    ], {
        "id": order.id,
        "account": account,
        "group": keys.group(order.group) if order.group else None,
        "client_group": keys.group(order.group, order.client) if order.group and order.client else None,
        "digest": new.digest,
        "spec": compact_json(spec_of(order)),
        "reference": order.reference,
        "not_before": optional_milliseconds(order.not_before),
        "event": optional_milliseconds(order.event_at),
        "ceiling": milliseconds(new.ceiling),
        "provider": order.provider,
        "account_name": order.account,
        "client": order.client,
        "nonce": token_hex(8),
        "schema": RECORD,
        "call_ends": milliseconds(_CALL_ENDS),
        "orders": keys.order(""),
        "sharing": keys.sharing(account, ""),
        "shared_interval": keys.shared_interval(new.interval_scope or account, ""),
        "across_accounts": new.interval_scope is not None,
        "minimum": milliseconds(new.minimum),
        "digest_of_reference": answer_digest(order.reference, new.credentials if new.user_list else {}),
        "user_list": new.user_list,
        "allow_duplicate": new.allow_duplicate,
        "credentials": compact_json(dict(new.credentials)) if new.credentials else None,
    }


def _client_keys(order: Order) -> list[str]:
    if order.client is None:
        return []
    return [
        keys.index(order.account_key, Status.PENDING, order.client),
        keys.client_accounts(order.client),
        keys.client_submissions(order.client),
        keys.CLIENTS,
    ]
