"""Pushes of providers: which were applied to which order, and those that arrived before their order."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

from willcall.orders.errors import WillcallError
from willcall.orders.model import Status
from willcall.orders.outcomes import Cancelled, Declined
from willcall.orders.pushes import ChangePush, InvalidPush, OutcomePush, Push, TicketsPush
from willcall.orders.serialization import document_from_json, ticket_from_json, ticket_to_json
from willcall.stores import keys
from willcall.stores.codec import compact_json, milliseconds
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis

#: Seconds that a push is stored for its order.
LIFETIME = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class StoredPush:
    """A push that arrived before its order, at an epoch second. `kind` is the provider's name for it."""

    account: str
    reference: str = field(repr=False)
    digest: str
    kind: str
    at: float
    push: Push


class ErasedReferenceError(WillcallError):
    """The order that a push is about was erased. Nothing was stored."""


class Inbox:
    """Pushes in Redis. Their files are documents; only ids are stored here."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._store_push = load(redis, "store_push")
        self._remove_pushes = load(redis, "remove_pushes")

    def applied_to(self, account: str, digest: str) -> str | None:
        """Return the id of the order that a push of the same bytes was applied to, or `None`."""
        return cast("str | None", self._redis.get(keys.applied_push(account, digest)))

    def mark_applied(self, account: str, digest: str, order_id: str, seconds: float) -> None:
        """Record for `seconds` that a push was applied to an order."""
        self._redis.set(keys.applied_push(account, digest), order_id, px=milliseconds(seconds))

    def store_push(self, stored: StoredPush, mark: str | None = None) -> str | None:
        """Store a push until its order is submitted. If the order exists, store nothing and return its id.

        `mark`: see `erasure.ErasureStore.marks`. Raises ErasedReferenceError.
        """
        outcome, *found = self._store_push(
            keys=[
                keys.references(stored.account),
                keys.pushes_ahead(stored.account, stored.reference),
                keys.INBOX,
                keys.ERASED_REFERENCES,
            ],
            args={
                "reference": stored.reference,
                "digest": stored.digest,
                "push": _text(stored),
                "member": _member(stored),
                "lifetime": milliseconds(LIFETIME),
                "mark": mark,
            },
        )
        if outcome == "erased":
            raise ErasedReferenceError
        return found[0] if found else None

    def list_for(self, account: str, reference: str) -> list[StoredPush]:
        """Return the pushes that arrived before an order, oldest first."""
        found = cast("dict[str, str]", self._redis.hgetall(keys.pushes_ahead(account, reference)))
        pushes = [_stored_push(account, reference, digest, text) for digest, text in found.items()]
        return sorted(pushes, key=lambda stored: stored.at)

    def remove_pushes(self, pushes: Sequence[StoredPush]) -> None:
        """Remove pushes of one reference that were applied to their order."""
        first = pushes[0]
        self._remove_pushes(
            keys=[keys.pushes_ahead(first.account, first.reference), keys.INBOX],
            args={"member": _member(first), "digests": [stored.digest for stored in pushes]},
        )

    def list_all(self) -> Iterator[StoredPush]:
        """Yield all stored pushes, by reference; those that were stored first come first."""
        for member in self.places():
            yield from self.list_for(*place_of(member))

    def places(self) -> list[str]:
        """Return all (account, reference) pairs that pushes are stored for, oldest first, as text for `place_of`."""
        self._redis.zremrangebyscore(keys.INBOX, "-inf", self._redis.time()[0] * 1_000)
        return cast("list[str]", self._redis.zrange(keys.INBOX, 0, -1))


def push_digest(account: str, body: bytes) -> str:
    """Return the hash that identifies a push of an account: its bytes."""
    return blake2b(body, key=blake2b(account.encode(), digest_size=32).digest(), digest_size=20).hexdigest()


def place_of(name: str) -> tuple[str, str]:
    """Return the account and the reference of one of `Inbox.places`."""
    account, reference = json.loads(name)
    return account, reference


def place_name(account: str, reference: str) -> str:
    """Return the name of an account and a reference in `Inbox.places`."""
    return compact_json([account, reference])


def _member(stored: StoredPush) -> str:
    return place_name(stored.account, stored.reference)


def _text(stored: StoredPush) -> str:
    return compact_json({"kind": stored.kind, "at": milliseconds(stored.at), **_push_document(stored.push)})


def _stored_push(account: str, reference: str, digest: str, text: str) -> StoredPush:
    document = json.loads(text)
    return StoredPush(account, reference, digest, document["kind"], document["at"] / 1_000, _push_from(document))


def _push_document(push: Push) -> dict[str, Any]:
    match push:
        case TicketsPush(tickets, whole, detail, documents):
            content = {
                "tickets": [ticket_to_json(ticket) for ticket in tickets],
                "documents": [asdict(document) for document in documents],
            }
            return {"push": "tickets", **content, "whole": whole, "detail": detail}
        case OutcomePush(outcome):
            end = Status.FAILED if isinstance(outcome, Declined) else Status.CANCELLED
            return {"push": "outcome", "end": end, "reason": outcome.reason, "word": outcome.provider_status}
        case InvalidPush(detail):
            return {"push": "invalid", "detail": detail}
        case ChangePush():
            return {"push": "change"}


def _push_from(document: dict[str, Any]) -> Push:
    match document["push"]:
        case "tickets":
            tickets = tuple(map(ticket_from_json, document["tickets"]))
            documents = tuple(map(document_from_json, document.get("documents", ())))
            return TicketsPush(tickets, document["whole"], document["detail"], documents)
        case "outcome":
            kind = Declined if document["end"] == Status.FAILED else Cancelled
            return OutcomePush(kind(document["reason"], provider_status=document["word"]))
        case "invalid":
            return InvalidPush(document["detail"])
    return ChangePush()
