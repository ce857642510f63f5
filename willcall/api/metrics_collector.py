"""The state of the system as metrics: orders, accounts, events, queues, sweeps, processes.

It is the same for every API process. Labels come from the configuration and from closed sets.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tasks.queues import QueueBacklog
from willcall.orders.model import Attention, count_open
from willcall.stores.accounts import AccountHealth
from willcall.stores.rejected_webhooks import RejectionReason
from willcall.usecases.context import Context
from willcall.usecases.ports import Recipient
from willcall.views.backends import refusing_backends
from willcall.views.upcoming import orders_at_risk

#: What is in each of the broker's queues, by name.
Queues = Callable[[], Mapping[str, QueueBacklog]]

_ACCOUNT = ("provider", "account")
#: Seconds until the event of an order, at most, by the name for it.
_EVENTS = {"begun": 0, "2h": 2 * 3_600, "24h": 86_400, "7d": 7 * 86_400}
#: Usual statuses of a backend that refuses callbacks.
_REFUSALS = ("400", "401", "403", "404", "422")
_KINDS = ("worker", "beat", "api", "flower")


class MetricsCollector(Collector):
    """Reads the state for every scrape. Raises StoreError."""

    def __init__(self, current: Callable[[], Context], queues: Queues) -> None:
        """`current` returns the context, which a reload replaces."""
        self._current = current
        self._stores = current().stores
        self._queues = queues

    def describe(self) -> list[Metric]:
        """Registering must not query Redis."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, in the order of docs/metrics.md."""
        now = self._stores.accounts.now()
        yield from self._orders(now)
        yield from self._accounts(now)
        yield from self._deliveries(now)
        yield from self._messages()
        yield from self._sweeps()
        yield from self._processes()

    def _orders(self, now: float) -> Iterator[Metric]:
        """Yield the orders of all accounts that ever had one."""
        orders = GaugeMetricFamily("willcall_orders", "Stored orders.", labels=(*_ACCOUNT, "status"))
        waiting = _by_account("willcall_orders_waiting", "Open orders scheduled for later.")
        overdue = _by_account("willcall_orders_overdue", "Open orders overdue by more than sweeps.grace.")
        held = _by_account("willcall_orders_held", "Open orders whose account is stopped.")
        oldest = _by_account("willcall_orders_oldest_overdue_seconds", "How long the most overdue order has been due.")
        unconfigured = _by_account(
            "willcall_orders_unconfigured", "Open orders whose account is not in the configuration."
        )
        by_event = GaugeMetricFamily(
            "willcall_orders_open_by_event", "Open orders by the time to their event.", labels=(*_ACCOUNT, "event")
        )
        listing, late = self._stores.listing, now - self._current().settings.sweeps.grace
        accounts = sorted({*self._current().accounts, *self._stores.orders.accounts()})
        ahead = listing.events_ahead(accounts, [now + seconds for seconds in _EVENTS.values()])
        for key, tally, events in zip(accounts, listing.summaries(accounts, late), ahead, strict=True):
            labels = key.split("/", 1)
            for status, count in tally.counts.items():
                orders.add_metric([*labels, status.value], count)
            waiting.add_metric(labels, tally.backlog.waiting)
            overdue.add_metric(labels, tally.backlog.due)
            held.add_metric(labels, tally.backlog.held)
            oldest.add_metric(labels, 0.0 if tally.first_due is None else max(0.0, now - tally.first_due))
            unknown = max(0, count_open(tally.counts) - sum(events))
            for event, count in zip([*_EVENTS, "later", "unknown"], [*events, unknown], strict=True):
                by_event.add_metric([*labels, event], count)
            unconfigured.add_metric(labels, 0 if key in self._current().accounts else count_open(tally.counts))
        yield from (orders, by_event, waiting, overdue, held, oldest, unconfigured)
        at_risk = _by_account("willcall_orders_at_risk", "Open orders at risk.")
        risky = orders_at_risk(self._stores, now).by_account
        for key in accounts:
            at_risk.add_metric(key.split("/", 1), risky.get(key, 0))
        yield at_risk
        attention = GaugeMetricFamily(
            "willcall_orders_attention", "Orders that need attention.", labels=(*_ACCOUNT, "reason")
        )
        counted = listing.attention_counts()
        for key in accounts:
            for reason in Attention:
                attention.add_metric([*key.split("/", 1), reason.value], counted.get((key, reason), 0))
        yield attention

    def _accounts(self, now: float) -> Iterator[Metric]:
        """Yield the accounts in the configuration."""
        health = GaugeMetricFamily(
            "willcall_account_health", "1 for the current health, otherwise 0.", labels=(*_ACCOUNT, "health")
        )
        since = _by_account("willcall_account_health_since_timestamp_seconds", "When the health last changed.")
        tokens = _by_account(
            "willcall_account_tokens",
            "Requests that could be sent right now. With a shared rate, each account shows all.",
        )
        throttles = CounterMetricFamily(
            "willcall_account_throttles", "429 responses since the account was last resumed.", labels=_ACCOUNT
        )
        booked = _by_account("willcall_account_booked", "Requests waiting for a booked token.")
        ahead = _by_account("willcall_account_booked_ahead_seconds", "How far ahead the last booked token is.")
        for account in self._current().accounts.values():
            labels, state = (account.provider, account.name), self._stores.accounts.state(account.key, account.rate)
            for one in AccountHealth:
                health.add_metric([*labels, one.value], one in {state.health, state.without_pause.health})
            if state.without_pause.since is not None:
                since.add_metric(labels, state.without_pause.since)
            tokens.add_metric(labels, state.tokens)
            throttles.add_metric(labels, state.throttles)
            booked.add_metric(labels, state.booked)
            ahead.add_metric(labels, state.booked_ahead(now))
        yield from (health, since, tokens, throttles, booked, ahead)

    def _deliveries(self, now: float) -> Iterator[Metric]:
        count = GaugeMetricFamily("willcall_events_undelivered", "Events not delivered yet.", labels=("to",))
        oldest = GaugeMetricFamily(
            "willcall_events_undelivered_oldest_seconds", "Age of the oldest of them.", labels=("to",)
        )
        for to, deliveries in (
            (Recipient.BACKENDS, self._stores.deliveries),
            (Recipient.OPERATORS, self._stores.ops_deliveries),
        ):
            pending = deliveries.pending()
            count.add_metric((to,), pending.count)
            oldest.add_metric((to,), pending.waited(now))
        yield GaugeMetricFamily("willcall_events", "Events in the feed.", self._stores.events.count())
        yield from (count, oldest)
        refused = GaugeMetricFamily(
            "willcall_callbacks_refused", "Orders whose callbacks are refused.", labels=("http_status",)
        )
        by_status = Counter(dict.fromkeys(_REFUSALS, 0))  # so that an alert sees the first one
        for backend in refusing_backends(self._stores):
            by_status[str(backend.http_status)] += backend.count
        for status, refusals in by_status.items():
            refused.add_metric((status,), refusals)
        yield refused
        yield GaugeMetricFamily(
            "willcall_documents_pending", "Orders with missing documents.", self._stores.fetches.count()
        )
        yield GaugeMetricFamily(
            "willcall_reports_pending",
            "Orders whose end is to be reported to their provider.",
            self._stores.reports.pending().count,
        )
        yield GaugeMetricFamily(
            "willcall_document_store_full",
            "1 while the document store is full, otherwise 0.",
            self._current().documents.full_since() is not None,
        )
        yield GaugeMetricFamily(
            "willcall_documents_given_up",
            "Orders with documents that are no longer fetched.",
            self._stores.fetches.given_up().count,
        )

    def _messages(self) -> Iterator[Metric]:
        messages = GaugeMetricFamily("willcall_queue_messages", "Messages in the broker.", labels=("queue", "state"))
        lag = GaugeMetricFamily(
            "willcall_queue_lag_seconds", "How long the next message has been due.", labels=("queue",)
        )
        for queue, backlog in self._queues().items():
            messages.add_metric((queue, "ready"), backlog.ready)
            if backlog.waiting is not None:
                messages.add_metric((queue, "waiting"), backlog.waiting)
            if backlog.lag is not None:
                lag.add_metric((queue,), backlog.lag)
        yield from (messages, lag)
        letters = CounterMetricFamily(
            "willcall_dead_letters", "Messages that no task could process.", labels=("reason",)
        )
        for reason, count in self._stores.dead_letters.counts().items():
            letters.add_metric((reason,), count)
        yield letters
        yield GaugeMetricFamily(
            "willcall_dead_letters_stored", "Dead letters that are stored.", self._stores.dead_letters.count()
        )
        rejected = CounterMetricFamily(
            "willcall_webhooks_rejected", "Webhooks that were rejected.", labels=(*_ACCOUNT, "reason")
        )
        counts = self._stores.rejected_webhooks.counts()
        for account in self._current().accounts.values():
            for reason in RejectionReason if account.adapter.pushes else ():
                rejected.add_metric((account.provider, account.name, reason), counts.get((account.key, reason), 0))
        yield rejected

    def _sweeps(self) -> Iterator[Metric]:
        """Yield the last run of each sweep."""
        last = _by_sweep("willcall_sweep_last_run_timestamp_seconds", "When the last run ended.")
        took = _by_sweep("willcall_sweep_duration_seconds", "Duration of the last run.")
        failed = _by_sweep("willcall_sweep_failed", "1 if the last run failed, otherwise 0.")
        every = _by_sweep("willcall_sweep_interval_seconds", "How often beat starts the sweep.")
        results = _by_sweep("willcall_sweep_results", "Results of the last run.", "result")
        intervals = self._current().settings.sweeps.intervals
        for name, run in sorted(self._stores.sweeps.last_runs().items()):
            last.add_metric((name,), run.at)
            took.add_metric((name,), run.seconds)
            failed.add_metric((name,), run.error is not None)
            if name in intervals:  # a sweep of another version may have run here
                every.add_metric((name,), intervals[name])
            for result, count in run.counts.items():
                results.add_metric((name, result), count)
        yield from (last, took, failed, every, results)

    def _processes(self) -> Iterator[Metric]:
        alive = [process.kind for process in self._stores.processes.running()]
        processes = GaugeMetricFamily("willcall_processes", "Running processes.", labels=("kind",))
        for kind in _KINDS:
            processes.add_metric((kind,), alive.count(kind))
        yield processes
        gone = [process.kind for process in self._stores.processes.lost()]
        lost = GaugeMetricFamily(
            "willcall_processes_lost", "Processes that disappeared and were not replaced.", labels=("kind",)
        )
        for kind in _KINDS:
            lost.add_metric((kind,), gone.count(kind))
        yield lost


def _by_account(name: str, meaning: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=_ACCOUNT)


def _by_sweep(name: str, meaning: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=("sweep", *more))
