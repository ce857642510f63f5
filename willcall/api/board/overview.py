"""What the first page shows of all accounts and orders."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from willcall.orders.model import Attention, Order
from willcall.orders.statistics import OUTCOME
from willcall.stores.accounts import AccountHealth
from willcall.stores.listing import AttentionSummary, OrderFilter
from willcall.stores.operator_events import OperatorEvent
from willcall.stores.pending import PendingSummary
from willcall.stores.processes import Heartbeat, LostProcess, RunningProcess
from willcall.stores.rejected_webhooks import RejectedWebhooks
from willcall.stores.sweeps import SweepRun
from willcall.usecases.context import Context
from willcall.views.accounts import (
    AccountView,
    refused_accounts,
    unconfigured_accounts,
    view_account,
    waits_for_account,
)
from willcall.views.backends import RefusingBackend, refusing_backends
from willcall.views.overdue import PendingAlerts, pending_alerts
from willcall.views.sweeps import OverdueSweep, overdue_sweeps
from willcall.views.upcoming import OrdersAtRisk, UpcomingOrders, upcoming_orders

#: Minutes over which lateness and responses are shown.
RECENT_MINUTES = 15
#: Hours over which tickets are shown.
HOURS = 24
#: Orders that need attention on the first page, at most.
ORDERS_SHOWN = 50
#: Open orders whose event is near on the first page, at most.
UPCOMING_SHOWN = 5
#: Recent changes on the first page, at most.
ACTIVITY_SHOWN = 12


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """One account.

    `overdue` orders are due by more than `sweeps.grace`. `recent` and `day` count responses and durations. `hourly`:
    orders fulfilled in each of the last hours, with the beginning of the hour in epoch seconds. `sharing`: responses of
    all accounts that share the rate, itself included. `first_deadline`: when the first of its held orders expires,
    epoch seconds.
    """

    view: AccountView
    overdue: int
    recent: Counter[str]
    day: Counter[str]
    hourly: Sequence[tuple[float, int]]
    sharing: Counter[str] = field(default_factory=Counter)
    first_deadline: float | None = None

    @property
    def key(self) -> str:
        """`<provider>/<account>`."""
        return self.view.account.key

    @property
    def healthy(self) -> bool:
        return self.view.state.health is AccountHealth.OK and not self.overdue

    @property
    def fulfilled(self) -> int:
        """Orders fulfilled in the last 24 hours."""
        return sum(count for _, count in self.hourly)

    @property
    def rate_used(self) -> float:
        """The share of the rate that the requests of the last 15 minutes are."""
        rate = self.view.account.rate
        polls = sum(count for measure, count in self.sharing.items() if measure.startswith(f"{OUTCOME}:"))
        return polls / (rate.limit / rate.period * RECENT_MINUTES * 60)

    @property
    def throttles(self) -> int:
        """429 responses of the last 15 minutes."""
        return self.recent[f"{OUTCOME}:throttled"]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first page, at `now` (epoch seconds by the clock of Redis).

    `unconfigured`: number of open orders of each account that is missing from the configuration. `operator_alerts`:
    notifications of operators that are pending. `overdue`: overdue orders of all accounts, unconfigured ones included.
    `booked_ahead`: how far ahead (seconds) requests may be booked before that is a warning.
    """

    now: float
    accounts: Sequence[AccountOverview]
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
    upcoming: UpcomingOrders = field(default_factory=UpcomingOrders)
    at_risk: OrdersAtRisk = field(default_factory=OrdersAtRisk)
    lost: Sequence[LostProcess] = ()
    refusing_backends: Sequence[RefusingBackend] = ()
    rejected_webhooks: Mapping[str, RejectedWebhooks] = field(default_factory=dict)
    documents_full_since: float | None = None

    def running(self, kind: str) -> list[RunningProcess]:
        """Return the processes of a kind, the oldest first."""
        return [process for process in self.processes if process.kind == kind]

    @property
    def refusing(self) -> list[RunningProcess]:
        """Return the processes that refused their configuration, and keep an earlier one."""
        return [process for process in self.processes if process.configuration and process.configuration.errors]

    @property
    def stopped_accounts(self) -> set[str]:
        """Accounts whose orders wait until the account continues."""
        stopped = {summary.key for summary in self.accounts if waits_for_account(summary.view.state, self.now)}
        return stopped | self.unconfigured.keys()

    @property
    def covered_by_accounts(self) -> int:
        """Number of orders that need attention only because their account's API key is rejected."""
        rejected = [summary.key for summary in self.accounts if summary.view.state.rejects_key]
        return sum(self.survey.counts.get((key, Attention.UNAUTHORIZED), 0) for key in rejected)

    @property
    def attention(self) -> Sequence[Order]:
        """The newest orders that need attention."""
        return self.survey.orders


def read_overview(context: Context) -> Overview:
    """Read everything on the first page. Raises StoreError."""
    stores = context.stores
    now = stores.accounts.now()
    processes, sweeps = stores.processes.running(), stores.sweeps.last_runs()
    upcoming, at_risk = upcoming_orders(stores, now, UPCOMING_SHOWN)
    return Overview(
        now=now,
        accounts=_summaries(context, now),
        unconfigured=unconfigured_accounts(stores, context.accounts),
        survey=stores.listing.attention_summary(refused_accounts(stores, context.accounts), ORDERS_SHOWN),
        undelivered=stores.deliveries.pending(),
        operator_alerts=pending_alerts(stores, now),
        processes=processes,
        last_heartbeats=stores.processes.last_heartbeats(),
        sweeps=sweeps,
        overdue_sweeps=overdue_sweeps(sweeps, context.settings.sweeps.intervals, processes, now),
        activity=stores.ops.recent(ACTIVITY_SHOWN),
        documents_pending=stores.fetches.pending(),
        documents_given_up=stores.fetches.given_up(),
        overdue=stores.listing.overdue(OrderFilter(), now - context.settings.sweeps.grace, 0)[0],
        booked_ahead=context.settings.sweeps.booked_ahead,
        dead_letters=stores.dead_letters.count(),
        upcoming=upcoming,
        at_risk=at_risk,
        lost=stores.processes.lost(),
        refusing_backends=refusing_backends(stores),
        rejected_webhooks=stores.rejected_webhooks.read(sorted(context.accounts)),
        documents_full_since=context.documents.full_since(),
    )


def _summaries(context: Context, now: float) -> list[AccountOverview]:
    """Summarize all accounts, unhealthy ones first."""
    stores, grace = context.stores, context.settings.sweeps.grace
    recent, hours = stores.stats.last_minutes(RECENT_MINUTES), stores.stats.last_hours(HOURS)
    by_bucket: dict[str, Counter[str]] = {}
    for key, account in context.accounts.items():
        by_bucket.setdefault(account.bucket, Counter()).update(recent.get(key, {}))
    summaries = [
        AccountOverview(
            view_account(stores, account, now),
            stores.listing.backlog(key, now - grace).due,
            recent.get(key, Counter()),
            sum((counts.get(key, Counter()) for _, counts in hours), Counter()),
            [(start, counts.get(key, Counter())["ended:fulfilled"]) for start, counts in hours],
            by_bucket[account.bucket],
            stores.schedule.first_deadline(key),
        )
        for key, account in sorted(context.accounts.items())
    ]
    return sorted(summaries, key=lambda summary: summary.healthy)
