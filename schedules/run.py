"""One run of a sweep: how long it may take, where it goes on, and what it does about things that it fails at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import structlog

from willcall.orders.errors import WillcallError
from willcall.stores.leases import Lease
from willcall.stores.sweeps import ItemFailures
from willcall.usecases.context import Context
from willcall.usecases.failures import outcome_of
from willcall.usecases.ports import Operation

log = structlog.get_logger(__name__)

#: Seconds for which a sweep leaves alone what it failed at, the first time; twice as long each further time; at most.
FIRST_BACK_OFF, LONGEST_BACK_OFF = 60.0, 21_600.0
#: How many entries of an index a sweep reads at once.
BATCH = 500
#: Things that a sweep remembers to fail at. Beyond, they are tried in each run, and not logged.
MOST_FAILING = 10_000


@dataclass(slots=True)
class Run:
    """One run. `until` (monotonic seconds) is when it begins nothing new; `lease` makes it the only run."""

    context: Context
    name: str
    until: float
    lease: Lease
    #: Things that this run failed at.
    failed: int = 0
    #: Whether it stopped for lack of time.
    stopped: bool = False
    _failing: dict[str, ItemFailures] = field(default_factory=dict)
    _now: float = 0.0

    def __post_init__(self) -> None:
        sweeps = self.context.stores.sweeps
        self._now = self.context.stores.accounts.now()
        self._failing = sweeps.failing_items(self.name)
        # What was not tried again for so long after its time is gone.
        for item in [item for item, failing in self._failing.items() if failing.until < self._now - LONGEST_BACK_OFF]:
            sweeps.clear_item_failure(self.name, item)
            del self._failing[item]

    def may_continue(self) -> bool:
        """Whether something new may be begun: there is time left, and no other run has taken over."""
        self.stopped = self.stopped or monotonic() >= self.until or not self.lease
        return not self.stopped

    def rotate(self, names: Iterable[str]) -> Iterator[str]:
        """Go through things by name, beginning behind the one at which the last run stopped."""
        sweeps = self.context.stores.sweeps
        ordered, last = sorted(names), sweeps.position(self.name)
        behind = [name for name in ordered if name > last]
        worked_on = ""
        for name in behind + ordered[: len(ordered) - len(behind)]:
            if not self.may_continue():
                break
            yield name
            worked_on = name
        if self.stopped:
            sweeps.save_position(self.name, worked_on or last)
        elif last:
            sweeps.save_position(self.name, "")

    def for_each_account(self, do: Callable[[str], int]) -> int:
        """Do something for each account that has orders, in turn; the sum of what it did.

        An account that it fails for has its turn again in the next run.
        """
        keys = self.context.stores.orders.accounts()
        return sum(self.try_item(key, partial(do, key), account=key, back_off=False) for key in self.rotate(keys))

    def try_item(self, item: str, do: Callable[[], int], *, back_off: bool = True, **subject: str) -> int:
        """Return what `do` did for one item; where it fails, log that the first time and leave the item for a while.

        `item` names it in this sweep and is not logged; `subject` are fields of the log line. Raises StoreError.
        """
        known = self._failing.get(item)
        if back_off and known and known.until > self._now:
            return 0
        try:
            done = do()
        except WillcallError as error:  # foreseen, such as files that cannot be had now
            if self._record_failure(item):
                log.warning("sweep item failed", sweep=self.name, error=error, **subject)
            return 0
        except Exception as error:
            outcome_of(error)
            self.context.meters.count_error(Operation.SWEEP)
            if self._record_failure(item):
                log.exception("sweep item failed", sweep=self.name, **subject)
            return 0
        if known:
            self.context.stores.sweeps.clear_item_failure(self.name, item)
        return int(done)

    def each_batch(self, look: Callable[[int], tuple[int, int]], size: int) -> None:
        """Look at an index, `size` things at a time.

        `look` is given an offset; it returns how many things there were and how many of them are gone from the index.
        """
        offset = 0
        while self.may_continue():
            seen, gone = look(offset)
            offset += seen - gone
            if seen < size:
                break

    def _record_failure(self, item: str) -> bool:
        """Leave an item alone for a while; whether it is the first time that this sweep fails at it."""
        self.failed += 1
        known = self._failing.get(item)
        if known is None and len(self._failing) >= MOST_FAILING:
            return False
        times = known.times if known else 0
        wait = min(FIRST_BACK_OFF * 2 ** min(times, 20), LONGEST_BACK_OFF)
        self._failing[item] = failing = ItemFailures(times + 1, self._now + wait)
        self.context.stores.sweeps.record_item_failure(self.name, item, failing)
        return known is None
