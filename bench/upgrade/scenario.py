"""Orders in every stage: how each is scripted, what brings it into its stage, and how it must end."""

from dataclasses import dataclass, field
from typing import Any

from willcall.simulator.script import AccountScript, OrderScript, RateScript

WIDE = {"limit": 50, "period": 1, "burst": 50}
NARROW = {"limit": 1, "period": 1, "burst": 1}
POLLING = {"initial": 1, "factor": 1.5, "cap": 4, "minimum": 0.5, "interval": [2, 4], "missing_grace": 60}
POLLING |= {"ceiling": 3_600}
HEALTH = {"probe": [1, 2], "throttle_pause": 2}
#: Seconds after which the orders that are in a stage are ready, so that they leave it.
READY = 30.0
#: Seconds after which an order of `tiqets/short` expires; it is polled once more every `LATE_EVERY` seconds.
SHORT_CEILING, LATE_EVERY = 3.0, 5.0
SWEEPS: dict[str, float] = {
    "polls": 1,
    "notify": 1,
    "documents": 1,
    "expire": 1,
    "reconcile": 2,
    "inbox": 1,
    "alerts": 1,
    "grace": 3,
}
SWEEPS |= {"late_every": LATE_EVERY}

#: The accounts, with the tables that differ.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "tiqets/default": {},
    "tiqets/booked": {"rate": NARROW},
    "tiqets/throttled": {},
    "tiqets/parked": {},
    "tiqets/short": {"polling": POLLING | {"ceiling": SHORT_CEILING}},
    "tixstock/default": {},
    "funtrips/default": {},
    "voordemensen/default": {},
    "paylogic/default": {},
}


@dataclass(frozen=True, slots=True)
class StagedOrder:
    """An order, the stage that it is in when the other release starts, and the events that it must have."""

    id: str
    stage: str
    script: OrderScript
    events: tuple[str, ...] = ("fulfilled",)
    #: Submitted only after the other release has started.
    later: bool = False


@dataclass(slots=True)
class Scenario:
    """All orders of a run."""

    orders: list[StagedOrder] = field(default_factory=list)

    def add(self, stage: str, provider: str, count: int = 2, *, events: tuple[str, ...] = (), **script: Any) -> None:
        """Add orders of a stage. `later` is for the orders of pushes that come first."""
        later = script.pop("later", False)
        for number in range(count):
            total = len(self.orders)
            made = OrderScript.model_validate(
                {"provider": provider, "reference": _reference(provider, total), **script}
            )
            given = events or (made.expected,)
            self.orders.append(StagedOrder(f"{stage}-{number}", stage, made, given, later=later))


def scenario() -> Scenario:
    """Return the orders of a run."""
    made = Scenario()
    for provider in ("tiqets", "tixstock", "funtrips", "paylogic"):
        made.add(f"waiting-{provider}", provider, ready_after=READY)
    made.add("final", "tiqets", 3)
    made.add("failed", "tiqets", ends="failed", ready_after=READY)
    made.add("cancelled", "voordemensen", ends="cancelled", ready_after=READY)
    made.add("booked", "tiqets", 45, account="booked")
    made.add(
        "throttled",
        "tiqets",
        3,
        account="throttled",
        answers=[{"do": "status", "status": 429, "retry_after": int(READY)}],
    )
    made.add("paused", "voordemensen", ready_after=0)
    made.add("parked", "tiqets", account="parked", ready_after=0)
    made.add("partial", "tixstock", events=("partial", "fulfilled"), quantity=2, partial_after=1, ready_after=READY)
    made.add("undelivered", "tiqets", 3)
    made.add("documents", "tiqets", document={"unready": "404"}, documents_after=READY)
    made.add("expired", "tiqets", account="short", events=("expired", "fulfilled"), ready_after=READY)
    made.add(
        "pushed-ahead",
        "tixstock",
        later=True,
        pushes=[{"kind": "eticket", "after": 3}],
        ready_after=3,
    )
    for number in range(5):
        made.add(f"beside-{number}", "tiqets", 2, later=True, ready_after=2)
    return made


def account_scripts() -> tuple[AccountScript, ...]:
    """Return the simulator's accounts, with the rates that it holds us to."""
    scripts = []
    for key, tables in ACCOUNTS.items():
        provider, _, name = key.partition("/")
        rate = RateScript.model_validate(tables.get("rate", WIDE))
        scripts.append(AccountScript.model_validate({"provider": provider, "name": name, "rate": rate}))
    return tuple(scripts)


def _reference(provider: str, number: int) -> str:
    forms = {
        "tiqets": "{}",
        "funtrips": "chk-{}",
        "tixstock": "tix-{}",
        "voordemensen": "Vdm{}-QmBxG",
        "paylogic": "a7c{}",
    }
    return forms[provider].format(1_000_000 + number)
