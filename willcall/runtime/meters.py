"""Prometheus metrics of this process since it started.

Label values come from the configuration and from closed sets: never an id, a reference or a secret. What all processes
share is in Redis and shown by `willcall/api/metrics_collector.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from willcall.orders.callbacks import CallbackStatus
from willcall.orders.model import FINAL
from willcall.orders.outcomes import OUTCOME_NAMES
from willcall.orders.statistics import BUCKET_BOUNDS, LATENESS, TIME_TO_TICKET, CommitStatistics
from willcall.usecases.ports import Operation, Recipient

_ACCOUNT = ("provider", "account")
#: Upper bounds of the buckets of requests, seconds; the longest exchange takes `http.total_timeout`.
_REQUESTS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class PrometheusMeters:
    """The metrics of one process, in a registry of their own; safe to share between threads."""

    def __init__(self, accounts: Iterable[str] = (), clock: Callable[[], float] = perf_counter) -> None:
        """Start at zero for each of `accounts`, the configured keys; `clock` counts in seconds."""
        # They would double the series and only repeat when the process started.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._clock = clock
        self._attempts = Counter(
            "willcall_attempts",
            "Status requests whose response was recorded.",
            (*_ACCOUNT, "outcome"),
            registry=self.registry,
        )
        self._lateness = self._histogram(
            "willcall_attempt_lateness_seconds", "From an attempt's due time to its beginning.", BUCKET_BOUNDS[LATENESS]
        )
        self._to_ticket = self._histogram(
            "willcall_time_to_ticket_seconds",
            "From submission, or not_before where that is later, to all tickets.",
            BUCKET_BOUNDS[TIME_TO_TICKET],
        )
        self._token_wait = self._histogram(
            "willcall_token_wait_seconds",
            "How long an attempt waited for a token of its account.",
            BUCKET_BOUNDS[LATENESS],
        )
        self._requests = self._histogram(
            "willcall_provider_request_seconds", "Requests to a provider's API, whether answered or not.", _REQUESTS
        )
        self._ended = Counter(
            "willcall_orders_ended",
            "Orders that reached a final status.",
            (*_ACCOUNT, "status"),
            registry=self.registry,
        )
        self._callbacks = Counter(
            "willcall_callbacks", "Attempts to deliver an event.", ("to", "result"), registry=self.registry
        )
        self._failed = Counter(
            "willcall_unexpected_errors",
            "Unexpected exceptions in Willcall's own code.",
            ("operation",),
            registry=self.registry,
        )
        # Prometheus sees the first increase of a counter only if there was a 0 before it.
        for operation in Operation:
            self._failed.labels(operation.value)
        for recipient in Recipient:
            for callback_status in CallbackStatus:
                self._callbacks.labels(recipient, _result(callback_status))
        self.add_accounts(accounts)

    def add_accounts(self, accounts: Iterable[str]) -> None:
        """Start at zero for each of `accounts` that is new."""
        for account_key in accounts:
            for outcome in OUTCOME_NAMES.values():
                self._attempts.labels(*_labels(account_key), outcome)
            for status in FINAL:
                self._ended.labels(*_labels(account_key), status.value)

    def count_commit(self, account_key: str, measured: CommitStatistics) -> None:
        """Count what one commit wrote."""
        labels = _labels(account_key)
        if measured.outcome is not None:
            self._attempts.labels(*labels, measured.outcome).inc()
        if measured.late is not None:
            self._lateness.labels(*labels).observe(measured.late)
        if measured.ended is not None:
            self._ended.labels(*labels, measured.ended.value).inc()
        if measured.ticket is not None:
            self._to_ticket.labels(*labels).observe(measured.ticket)

    def observe_token_wait(self, account_key: str, seconds: float) -> None:
        """Record how long an attempt waited for its token; 0 if it got one immediately."""
        self._token_wait.labels(*_labels(account_key)).observe(seconds)

    @contextmanager
    def time_request(self, account_key: str) -> Iterator[None]:
        """Time the block as one request to a provider."""
        started = self._clock()
        try:
            yield
        finally:
            self._requests.labels(*_labels(account_key)).observe(self._clock() - started)

    def count_delivery(self, recipient: Recipient, status: CallbackStatus) -> None:
        """Count an attempt to deliver an event."""
        self._callbacks.labels(recipient, _result(status)).inc()

    def count_error(self, operation: Operation) -> None:
        """Count an unexpected exception."""
        self._failed.labels(operation.value).inc()

    def _histogram(self, name: str, help_text: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(name, help_text, _ACCOUNT, registry=self.registry, buckets=bounds)


def _labels(account_key: str) -> tuple[str, str]:
    provider, _, account = account_key.partition("/")
    return provider, account


def _result(status: CallbackStatus) -> str:
    return "retrying" if status is CallbackStatus.PENDING else status.value
