"""What the ledger says about the client: a pure function of the entries and the orders."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from willcall.simulator.ledger import Entry
from willcall.simulator.phases import last_phase
from willcall.simulator.script import PROVIDERS, OrderScript

#: Overshoot below this is floating-point dust.
DUST = 1e-6


@dataclass(slots=True)
class Tally:
    """One provider's requests. Only the first five kinds of offence are faults; the rest informs.

    `earliest` is the most seconds that a request came too early, `over_rate` the most requests by which
    any window of an account's status requests exceeded `burst + limit / period * window`.
    """

    asked_too_early: int = 0
    over_rate: float = 0.0
    over_rate_requests: int = 0
    simultaneous: int = 0
    wrong_credentials: int = 0
    earliest: float = 0.0
    unauthorized: int = 0
    after_final: int = 0
    requests: int = 0
    status_requests: int = 0
    throttled: int = 0
    orders: int = 0
    untold: list[str] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Count one request."""
        self.requests += 1
        self.status_requests += entry.kind == "status"
        self.throttled += entry.status == 429  # noqa: PLR2004 - the status itself
        self.unauthorized += entry.auth == "unauthorized"
        self.wrong_credentials += entry.auth == "wrong"
        self.after_final += entry.after_final
        self.simultaneous += entry.in_flight > 0
        self.asked_too_early += entry.too_early_by > 0
        self.earliest = max(self.earliest, entry.too_early_by)
        if entry.overshoot > DUST:
            self.over_rate_requests += 1
            self.over_rate = max(self.over_rate, entry.overshoot)

    def faults(self, provider: str) -> list[str]:
        """A sentence per kind of offence."""
        found = []
        if self.asked_too_early:
            found.append(
                f"{provider}: {self.asked_too_early} requests came earlier than allowed, "
                f"the worst by {self.earliest:.3f} s"
            )
        if self.over_rate_requests:
            found.append(
                f"{provider}: {self.over_rate_requests} requests were over the rate, "
                f"the worst window by {self.over_rate:.2f}"
            )
        if self.simultaneous:
            found.append(f"{provider}: {self.simultaneous} requests while another for the same order was under way")
        if self.wrong_credentials:
            found.append(f"{provider}: {self.wrong_credentials} requests with credentials that were never valid")
        return found


def judge(entries: Iterable[Entry], orders: Iterable[tuple[OrderScript, set[str]]]) -> dict[str, Any]:
    """The verdict as JSON: `ok`, `faults` (sentences) and a `Tally` per provider.

    `orders` come with the phases that were told of each. `untold` names those whose last phase was not.
    """
    tallies = {provider: Tally() for provider in PROVIDERS}
    for entry in entries:
        tallies[entry.provider].add(entry)
    for order, told in orders:
        tally = tallies[order.provider]
        tally.orders += 1
        last = last_phase(order)
        if last and last not in told and not order.hopeless:
            tally.untold.append(order.reference)
    faults = [fault for provider, tally in tallies.items() for fault in tally.faults(provider)]
    return {"ok": not faults, "faults": faults, "providers": {p: asdict(t) for p, t in tallies.items()}}
