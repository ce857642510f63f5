"""Reports to providers of how orders ended. The commit that ends an order records what is to be reported."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from willcall.orders.model import Attempt, Order
from willcall.stores import keys
from willcall.stores.codec import attempt_text, hash_fields, milliseconds, optional_milliseconds, order_from
from willcall.stores.commits import TIMELINE
from willcall.stores.operator_events import OperatorAlert, alert_arguments, alert_keys, order_subject
from willcall.stores.pending import PendingSummary, read_pending
from willcall.stores.scripts import load

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True, slots=True)
class ReportClaim:
    """Permission to report once. `status` is what is to be reported, `fence` identifies the report.

    `now` and `since` (when the order ended) are epoch seconds; `tries` were made before.
    """

    order: Order
    status: str
    fence: str
    now: float
    since: float
    tries: int


class ProviderReportStore:
    """Reports in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._claim = load(redis, "claim_report")
        self._record = load(redis, "record_report")

    def due(self, now: float, count: int) -> list[str]:
        """Return up to `count` orders whose report is due at `now`, the longest overdue first."""
        found = self._redis.zrangebyscore(keys.REPORTS_DUE, "-inf", milliseconds(now), start=0, num=count)
        return cast("list[str]", found)

    def claim(self, order_id: str, lease: float) -> ReportClaim | None:
        """Claim a report for `lease` seconds, or return `None` if there is none that is due."""
        answer = self._claim(
            keys=[
                keys.order(order_id),
                keys.spec(order_id),
                keys.tickets(order_id),
                keys.REPORTS_DUE,
                keys.REPORTS_PENDING,
                keys.report(order_id),
            ],
            args={"id": order_id, "lease": milliseconds(lease)},
        )
        if not answer:
            return None
        now, flat, spec, tickets, status, fence, since, tries = answer
        order = order_from(order_id, hash_fields(flat), spec, tickets)
        return ReportClaim(order, status, fence, now / 1_000, since / 1_000, tries)

    def record(
        self,
        claim: ReportClaim,
        wait: float | None,
        entry: Attempt | None = None,
        *,
        tried: bool = True,
        alert: OperatorAlert | None = None,
    ) -> bool:
        """Report again in `wait` seconds, or never with `None`. Returns False if the order has changed since.

        `entry` is for the timeline. `tried`: a request was sent. `alert`: it is given up.
        """
        order_id = claim.order.id
        return bool(
            self._record(
                keys=[
                    keys.REPORTS_DUE,
                    keys.REPORTS_PENDING,
                    keys.report(order_id),
                    keys.attempts(order_id),
                    *alert_keys(order_subject(order_id)),
                ],
                args={
                    "id": order_id,
                    "fence": claim.fence,
                    "wait": optional_milliseconds(wait),
                    "tried": tried,
                    "attempt": attempt_text(entry) if entry else None,
                    "most_attempts": TIMELINE,
                    "alert": alert_arguments(alert) if alert else None,
                },
            )
        )

    def pending(self) -> PendingSummary:
        """Return how many orders have a report to be sent, and the one that has had it for longest."""
        return read_pending(self._redis, keys.REPORTS_PENDING)
