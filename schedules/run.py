"""One run of a sweep: its time limit, its resume position, and its back-off from items that fail."""

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

#: Seconds for which a sweep skips an item that failed: the first time, then twice as long each time, up to the longest.
FIRST_BACK_OFF, LONGEST_BACK_OFF = 60.0, 21_600.0
#: Entries of an index that a sweep reads at once.
BATCH = 500
#: Most failing items that a sweep remembers. Others are tried in each run, and not logged.
MOST_FAILING = 10_000


@dataclass(slots=True)
class Run:
    """One run of a sweep. It starts nothing new after `until` (monotonic seconds); `lease` makes it the only run."""

    context: Context
    name: str
    until: float
    lease: Lease
    #: How many items failed in this run.
    failed: int = 0
    #: Whether the run stopped because its time was up.
    stopped: bool = False
    _failing: dict[str, ItemFailures] = field(default_factory=dict)
    _now: float = 0.0

    def __post_init__(self) -> None:
        sweeps = self.context.stores.sweeps
        self._now = self.context.stores.accounts.now()
        self._failing = sweeps.failing_items(self.name)
        # An item that was not tried again for long after its time no longer exists.
        for item in [item for item, failing in self._failing.items() if failing.until < self._now - LONGEST_BACK_OFF]:
            sweeps.clear_item_failure(self.name, item)
            del self._failing[item]

    def may_continue(self) -> bool:
        """Return whether the run may start something new: time is left, and it still holds the lease."""
        self.stopped = self.stopped or monotonic() >= self.until or not self.lease
        return not self.stopped

    def rotate(self, names: Iterable[str]) -> Iterator[str]:
        """Iterate over names, starting after the one at which the last run stopped.

        For example, a run over a, b, c, d that stops after b makes the next one go through c, d, a, b.
        """
        sweeps = self.context.stores.sweeps
        ordered, last = sorted(names), sweeps.position(self.name)
        later = [name for name in ordered if name > last]
        worked_on = ""
        for name in later + ordered[: len(ordered) - len(later)]:
            if not self.may_continue():
                break
            yield name
            worked_on = name
        if self.stopped:
            sweeps.save_position(self.name, worked_on or last)
        elif last:
            sweeps.save_position(self.name, "")

    def for_each_account(self, do: Callable[[str], int]) -> int:
        """Call `do` for each account that has orders, and return the sum of its results.

        An account that fails is tried again in the next run.
        """
        keys = self.context.stores.orders.accounts()
        return sum(self.try_item(key, partial(do, key), account=key, back_off=False) for key in self.rotate(keys))

    def try_item(self, item: str, do: Callable[[], int], *, back_off: bool = True, **subject: str) -> int:
        """Return the result of `do` for one item, or 0 if it fails; then skip the item for a while.

        Only the first failure is logged, with `subject` as fields; `item` is not logged. Raises StoreError.
        """
        known = self._failing.get(item)
        if back_off and known and known.until > self._now:
            return 0
        try:
            done = do()
        except WillcallError as error:  # expected, such as files that are unavailable now
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
        """Go through an index in batches of `size`.

        `look` is called with an offset, and returns how many entries it found and how many of them it removed.
        """
        offset = 0
        while self.may_continue():
            seen, gone = look(offset)
            offset += seen - gone
            if seen < size:
                break

    def _record_failure(self, item: str) -> bool:
        """Skip an item for a while. Returns whether it is its first failure."""
        self.failed += 1
        known = self._failing.get(item)
        if known is None and len(self._failing) >= MOST_FAILING:
            return False
        times = known.times if known else 0
        wait = min(FIRST_BACK_OFF * 2 ** min(times, 20), LONGEST_BACK_OFF)
        self._failing[item] = failing = ItemFailures(times + 1, self._now + wait)
        self.context.stores.sweeps.record_item_failure(self.name, item, failing)
        return known is None
