"""The verdict on the client: a pure function of the ledger's entries and the orders."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from willcall.simulator.ledger import LedgerEntry
from willcall.simulator.order_status import final_status
from willcall.simulator.script import PROVIDERS, OrderScript

#: An overshoot below this comes from floating-point arithmetic.
ROUNDING_ERROR = 1e-6


@dataclass(slots=True)
class RequestTally:
    """Counts of one provider's requests. The first five fields are faults of the client; the others inform."""

    too_early: int = 0
    #: The most requests by which any window of an account exceeded `burst + limit / period * window`.
    over_rate: float = 0.0
    over_rate_requests: int = 0
    simultaneous: int = 0
    wrong_credentials: int = 0
    #: The most seconds by which a request was too early.
    earliest_by: float = 0.0
    unauthorized: int = 0
    after_final: int = 0
    requests: int = 0
    status_requests: int = 0
    throttled: int = 0
    orders: int = 0
    #: References of the orders whose final status was never reported to the client.
    unreported: list[str] = field(default_factory=list)

    def add(self, entry: LedgerEntry) -> None:
        """Count one request."""
        self.requests += 1
        self.status_requests += entry.kind == "status"
        self.throttled += entry.status == HTTPStatus.TOO_MANY_REQUESTS
        self.unauthorized += entry.auth == "unauthorized"
        self.wrong_credentials += entry.auth == "wrong"
        self.after_final += entry.after_final
        self.simultaneous += entry.in_flight > 0
        self.too_early += entry.too_early_by > 0
        self.earliest_by = max(self.earliest_by, entry.too_early_by)
        if entry.overshoot > ROUNDING_ERROR:
            self.over_rate_requests += 1
            self.over_rate = max(self.over_rate, entry.overshoot)

    def faults(self, provider: str) -> list[str]:
        """Return a sentence for each kind of fault."""
        found = []
        if self.too_early:
            found.append(f"{_requests(self.too_early)} earlier than allowed, the worst by {self.earliest_by:.3f} s")
        if self.over_rate_requests:
            requests = _requests(self.over_rate_requests)
            found.append(f"{requests} over the rate, the worst window by {self.over_rate:.2f}")
        if self.simultaneous:
            found.append(f"{_requests(self.simultaneous)} during another for the same order")
        if self.wrong_credentials:
            found.append(f"{_requests(self.wrong_credentials)} with credentials that were never valid")
        return [f"{provider}: {fault}" for fault in found]


def judge(entries: Iterable[LedgerEntry], orders: Iterable[tuple[OrderScript, set[str]]]) -> dict[str, Any]:
    """Return the verdict as JSON: `ok`, `faults` (sentences) and a `RequestTally` per provider.

    `orders` are pairs of a script and the statuses that were reported for it.
    """
    tallies = {provider: RequestTally() for provider in PROVIDERS}
    for entry in entries:
        tallies[entry.provider].add(entry)
    for order, reported in orders:
        tally = tallies[order.provider]
        tally.orders += 1
        last = final_status(order)
        if last and last not in reported and not order.hopeless:
            tally.unreported.append(order.reference)
    faults = [fault for provider, tally in tallies.items() for fault in tally.faults(provider)]
    return {"ok": not faults, "faults": faults, "providers": {p: asdict(t) for p, t in tallies.items()}}


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
