"""Orders whose tickets lack documents, and when these are fetched next."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from willcall.orders.changes import Snapshot
from willcall.orders.model import Order
from willcall.stores import keys
from willcall.stores.codec import documents_text, milliseconds, optional_milliseconds, order_from, tickets_text
from willcall.stores.pending import PendingSummary, read_oldest, read_pending
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class FetchClaim:
    """Permission for one round. `now` and `since` (the first try) are epoch seconds; `tries` were made before."""

    order: Order
    tickets: str
    claim_id: str
    now: float
    since: float
    tries: int


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """The progress of fetching an order's documents: rounds made, and when the next one is due (epoch seconds).

    `why` says why the last round failed, without URLs or secrets.
    """

    tries: int
    why: str | None
    next_at: float


class FetchOutcome(StrEnum):
    """Whether the result of a round was written; see `lua/record_fetch.lua`."""

    WRITTEN = "written"
    CHANGED = "changed"
    LOST = "lost"


class DocumentFetchStore:
    """Fetches in Redis. The commit that leaves a ticket without its document schedules the first one."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._claim_fetch = load(redis, "claim_fetch")
        self._record_fetch = load(redis, "record_fetch")
        self._resend_fetches = load(redis, "resend_fetches")

    def claim(self, order_id: str, claim_id: str, lease: float) -> FetchClaim | None:
        """Claim a round for `lease` seconds, or return `None` if there is nothing to fetch."""
        answer = self._claim_fetch(
            keys=[
                keys.order(order_id),
                keys.spec(order_id),
                keys.tickets(order_id),
                keys.FETCHES_DUE,
                keys.fetch(order_id),
                keys.FETCHES_PENDING,
            ],
            args={"id": order_id, "claim": claim_id, "lease": milliseconds(lease)},
        )
        if not answer:
            return None
        now, flat, spec, tickets, since, tries = answer
        order = order_from(order_id, dict(zip(flat[::2], flat[1::2], strict=True)), spec, tickets)
        return FetchClaim(order, tickets, claim_id, now / 1_000, since / 1_000, tries)

    def record_fetch(
        self,
        fetch: FetchClaim,
        after: Order,
        wait: float | None,
        why: str = "",
        *,
        given_up: bool = False,
    ) -> FetchOutcome:
        """Write the tickets of `after`. Try again in `wait` seconds because of `why`, or never with `None`.

        `given_up`: documents are missing and are no longer tried. The backend is to be notified if the tickets changed.
        """
        before = fetch.order
        changed = (after.tickets, after.documents) != (before.tickets, before.documents)
        return FetchOutcome(
            self._record_fetch(
                keys=[
                    keys.tickets(after.id),
                    keys.FETCHES_DUE,
                    keys.fetch(after.id),
                    keys.FETCHES_PENDING,
                    keys.DOCUMENTS_GIVEN_UP,
                    keys.order(after.id),
                    keys.CHANGES,
                    keys.credentials(after.id),
                    keys.CREDENTIALS,
                ],
                args={
                    "id": after.id,
                    "claim": fetch.claim_id,
                    "before": fetch.tickets,
                    "after": tickets_text(after) if changed else None,
                    "documents": {"before": documents_text(before), "after": documents_text(after)},
                    "wait": optional_milliseconds(wait),
                    "why": why,
                    "given_up": given_up,
                    "notified": str(Snapshot.last(before)),
                },
            )
        )

    def count(self) -> int:
        """Return how many orders lack documents."""
        return self._redis.zcard(keys.FETCHES_DUE)

    def pending(self) -> PendingSummary:
        """Return how many orders lack documents, and the one that has lacked them for longest."""
        return read_pending(self._redis, keys.FETCHES_PENDING)

    def oldest(self, count: int) -> list[tuple[str, float]]:
        """Return the orders that have lacked documents for longest, oldest first: (id, since when, epoch seconds)."""
        return read_oldest(self._redis, keys.FETCHES_PENDING, count)

    def given_up(self) -> PendingSummary:
        """Return how many orders have documents that were given up, and the one that has had them for longest."""
        return read_pending(self._redis, keys.DOCUMENTS_GIVEN_UP)

    def oldest_given_up(self, count: int, offset: int = 0) -> list[tuple[str, float]]:
        """Return such orders and when their documents were given up (epoch seconds), oldest first."""
        return read_oldest(self._redis, keys.DOCUMENTS_GIVEN_UP, count, offset)

    def forget_given_up(self, order_ids: Sequence[str]) -> None:
        """Remove orders from those whose documents were given up."""
        if order_ids:
            self._redis.zrem(keys.DOCUMENTS_GIVEN_UP, *order_ids)

    def progress(self, order_ids: Sequence[str]) -> list[FetchProgress | None]:
        """Return the progress of each order's fetch, `None` if it lacks no documents."""
        pipe = self._redis.pipeline(transaction=False)
        for order_id in order_ids:
            pipe.zscore(keys.FETCHES_DUE, order_id)
            pipe.hmget(keys.fetch(order_id), ["tries", "why"])
        answers = pipe.execute()
        return [
            None if due is None else FetchProgress(int(tries or 0), why or None, due / 1_000)
            for due, (tries, why) in zip(answers[::2], answers[1::2], strict=True)
        ]

    def resend_fetches(self, grace: float, offset: int, count: int) -> tuple[int, list[str]]:
        """Look at `count` orders from `offset` on that are overdue by `grace` seconds.

        Returns how many there were, and those to send a message for again.
        """
        seen, *sent = self._resend_fetches(
            keys=[keys.FETCHES_DUE, keys.fetch("")],
            args={"grace": milliseconds(grace), "offset": offset, "count": count},
        )
        return seen, sent
