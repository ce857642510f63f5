"""What the board shows of all accounts and orders at one moment: read once for all who look."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from time import monotonic, thread_time
from typing import Generic, TypeVar

from willcall.orders.model import Attention, Order
from willcall.orders.statistics import OUTCOME
from willcall.stores.accounts import AccountHealth
from willcall.stores.deliveries import PendingSummary
from willcall.stores.listing import AttentionSummary, OrderQuery
from willcall.stores.operator_events import OperatorEvent
from willcall.stores.processes import Heartbeat, RunningProcess
from willcall.stores.sweeps import SweepRun
from willcall.usecases.context import Context
from willcall.views.accounts import AccountView, forgotten_accounts, refused_accounts, view_account
from willcall.views.overdue import PendingAlerts, pending_alerts
from willcall.views.sweeps import OverdueSweep, overdue_sweeps

#: Minutes over which lateness and answers are shown.
RECENT = 15
#: Hours over which tickets are shown.
HOURS = 24
#: Orders that need attention on the first page.
SHOWN = 50
#: What happened lately, that many lines.
HAPPENED = 12

#: CPU seconds from which something is read less often; the share of a core it may then take; its greatest age, seconds.
_COSTLY, _SHARE, _OLDEST = 0.01, 0.01, 10.0

Value = TypeVar("Value")
Hour = tuple[float, Mapping[str, Counter[str]]]


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """One account. `overdue` orders are due by more than `sweeps.grace`; `recent` and `day` count what was measured.

    `hourly` is how many orders were fulfilled in each of the last hours: (its beginning, epoch seconds; how many).
    """

    view: AccountView
    overdue: int
    recent: Counter[str]
    day: Counter[str]
    hourly: Sequence[tuple[float, int]]

    @property
    def key(self) -> str:
        """`<provider>/<account>`."""
        return self.view.account.key

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.view.state.health is AccountHealth.OK and not self.overdue

    @property
    def fulfilled(self) -> int:
        """Orders that were fulfilled in the last hours."""
        return sum(count for _, count in self.hourly)

    @property
    def polls(self) -> int:
        """Requests of the last minutes that the provider got."""
        return sum(count for measure, count in self.recent.items() if measure.startswith(f"{OUTCOME}:"))

    @property
    def rate_used(self) -> float:
        """The share of the rate that these were."""
        rate = self.view.account.rate
        return self.polls / (rate.limit / rate.period * RECENT * 60)

    @property
    def throttles(self) -> int:
        """Answers with 429 in the last minutes."""
        return self.recent[f"{OUTCOME}:throttled"]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page, at `now` (epoch seconds, the server's clock).

    `forgotten`: accounts with open orders that the configuration no longer has, and how many those are. `operators`:
    what these are still to be told of. `lacking`: the orders whose documents are to be fetched. `overdue`: those of all
    accounts that are, the forgotten ones too. `booked_ahead`: seconds that the last booked request of an account may be
    ahead. `dead_letters`: how many messages no task could process. `given_up`: the orders some of whose documents are
    not fetched any more.
    """

    now: float
    accounts: Sequence[AccountSummary]
    unconfigured: Mapping[str, int]
    survey: AttentionSummary
    undelivered: PendingSummary
    operator_alerts: PendingAlerts | None
    processes: Sequence[RunningProcess]
    last_heartbeats: Mapping[str, Heartbeat]
    sweeps: Mapping[str, SweepRun]
    overdue_sweeps: Sequence[OverdueSweep]
    activity: Sequence[OperatorEvent]
    documents_pending: PendingSummary
    overdue: int
    booked_ahead: float = 900.0
    dead_letters: int = 0
    documents_given_up: PendingSummary = field(default_factory=lambda: PendingSummary(0))

    def running(self, kind: str) -> list[RunningProcess]:
        """The processes of a kind, the oldest first."""
        return [process for process in self.processes if process.kind == kind]

    @property
    def stopped_accounts(self) -> set[str]:
        """The accounts whose orders wait until they go on."""
        return {line.key for line in self.accounts if line.view.state.health.holds_orders} | self.unconfigured.keys()

    @property
    def covered_by_accounts(self) -> int:
        """How many orders need attention only because their account is refused."""
        refused = [line.key for line in self.accounts if line.view.state.rejects_key]
        return sum(self.survey.counts.get((key, Attention.UNAUTHORIZED), 0) for key in refused)

    @property
    def attention(self) -> Sequence[Order]:
        """The newest orders that need attention."""
        return self.survey.orders


class CachedValue(Generic[Value]):
    """A value that is read once for all who ask while it is read."""

    def __init__(self, read: Callable[[], Value], longest: float = 0.0) -> None:
        """`longest`: seconds for which a value that is costly to read may be kept."""
        self._read = read
        self._longest = longest
        self._lock = Lock()
        self._began = self._until = -inf
        self._value: Value | None = None

    def get(self) -> Value:
        """The value as it is now, or was a moment ago if it is costly."""
        asked = monotonic()
        with self._lock:
            if self._value is None or asked >= max(self._began, self._until):
                self._began, used = monotonic(), thread_time()
                self._value = self._read()
                cost = thread_time() - used
                self._until = self._began + (min(cost / _SHARE, self._longest) if cost > _COSTLY else 0.0)
            return self._value

    def forget(self) -> None:
        """Read it anew for whoever asks next."""
        with self._lock:
            self._value = None


class OverviewReader:
    """Reads overviews."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._overview = CachedValue(self._look)
        self._hours = CachedValue(lambda: context.stores.stats.last_hours(HOURS), _OLDEST)

    def overview(self) -> Overview:
        """How things stand. Raises StoreError."""
        return self._overview.get()

    def renew(self) -> None:
        """Somebody has changed something, and looks whether it shows."""
        self._overview.forget()

    def _look(self) -> Overview:
        stores = self._context.stores
        now = stores.accounts.now()
        processes, sweeps = stores.processes.running(), stores.sweeps.last_runs()
        return Overview(
            now=now,
            accounts=self._lines(now),
            unconfigured=forgotten_accounts(stores, self._context.accounts),
            survey=stores.listing.attention_summary(refused_accounts(stores, self._context.accounts), SHOWN),
            undelivered=stores.deliveries.pending(),
            operator_alerts=pending_alerts(stores, now),
            processes=processes,
            last_heartbeats=stores.processes.last_heartbeats(),
            sweeps=sweeps,
            overdue_sweeps=overdue_sweeps(sweeps, self._context.settings.sweeps.intervals, processes, now),
            activity=stores.ops.recent(HAPPENED),
            documents_pending=stores.fetches.pending(),
            documents_given_up=stores.fetches.given_up(),
            overdue=stores.listing.overdue(OrderQuery(), now - self._context.settings.sweeps.grace, 0)[0],
            booked_ahead=self._context.settings.sweeps.booked_ahead,
            dead_letters=stores.dead_letters.count(),
        )

    def _lines(self, now: float) -> list[AccountSummary]:
        """All accounts, those that are not well first."""
        stores, grace = self._context.stores, self._context.settings.sweeps.grace
        recent, hours = stores.stats.last_minutes(RECENT), self._hours.get()
        lines = [
            AccountSummary(
                view_account(stores, account, now),
                stores.listing.backlog(key, now - grace).due,
                recent.get(key, Counter()),
                sum((counts.get(key, Counter()) for _, counts in hours), Counter()),
                [(start, counts.get(key, Counter())["ended:fulfilled"]) for start, counts in hours],
            )
            for key, account in sorted(self._context.accounts.items())
        ]
        return sorted(lines, key=lambda line: line.healthy)
