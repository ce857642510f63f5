"""What this process has counted and timed since it started, for Prometheus.

Labels come from the configuration and from closed sets of ours: never an id, a reference or a secret. What all
processes share is in Redis (`stores/stats.py`, `willcall/api/metrics.py`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
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

from willcall.orders.callbacks import Telling
from willcall.orders.measures import BOUNDS, LATE, TICKET, Measured
from willcall.orders.outcomes import NAMES
from willcall.orders.states import FINAL


class Operation(StrEnum):
    """What was under way when an unexpected exception occurred."""

    ATTEMPT = "attempt"
    DOCUMENTS = "documents"
    WEBHOOK = "webhook"
    CALLBACK = "callback"
    SWEEP = "sweep"


#: Who is told of events.
BACKENDS, OPERATORS = "backends", "operators"

_ACCOUNT = ("provider", "account")
#: Upper bounds of the buckets of requests, seconds; the longest exchange takes `http.total_timeout`.
_REQUESTS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Meters:
    """The metrics of one process, in a registry of their own; safe to share between threads."""

    def __init__(self, accounts: Iterable[str] = (), clock: Callable[[], float] = perf_counter) -> None:
        """`accounts`: keys of those that are configured; `clock` in seconds, for what is timed."""
        # They would be a series more for each of ours, and say no more than the process' start.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._clock = clock
        self._attempts = Counter(
            "willcall_attempts",
            "Status requests whose answer was written down.",
            (*_ACCOUNT, "outcome"),
            registry=self.registry,
        )
        self._lateness = self._histogram(
            "willcall_attempt_lateness_seconds", "From an attempt's due time to its beginning.", BOUNDS[LATE]
        )
        self._to_ticket = self._histogram(
            "willcall_time_to_ticket_seconds",
            "From submission, or not_before where that is later, to all tickets.",
            BOUNDS[TICKET],
        )
        self._token_wait = self._histogram(
            "willcall_token_wait_seconds", "How long an attempt is put off until its account has a token.", BOUNDS[LATE]
        )
        self._requests = self._histogram(
            "willcall_provider_request_seconds", "Requests to a provider's API, answered or not.", _REQUESTS
        )
        self._ended = Counter(
            "willcall_orders_ended",
            "Orders that came to a final status.",
            (*_ACCOUNT, "status"),
            registry=self.registry,
        )
        self._callbacks = Counter(
            "willcall_callbacks", "Tries to tell of an event.", ("to", "result"), registry=self.registry
        )
        self._failed = Counter(
            "willcall_unexpected_errors",
            "Exceptions in our own code, by what was under way.",
            ("operation",),
            registry=self.registry,
        )
        # What is rare must be seen the first time, which takes a 0 before it.
        for operation in Operation:
            self._failed.labels(operation.value)
        for to in (BACKENDS, OPERATORS):
            for telling in Telling:
                self._callbacks.labels(to, _result(telling))
        for account_key in accounts:
            for outcome in NAMES.values():
                self._attempts.labels(*_labels(account_key), outcome)
            for status in FINAL:
                self._ended.labels(*_labels(account_key), status.value)

    def count_commit(self, account_key: str, measured: Measured) -> None:
        """A commit was written, once."""
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
        """An attempt got its token in `seconds`; 0 where it got one at once."""
        self._token_wait.labels(*_labels(account_key)).observe(seconds)

    @contextmanager
    def time_request(self, account_key: str) -> Iterator[None]:
        """Times the block as one request to a provider."""
        started = self._clock()
        try:
            yield
        finally:
            self._requests.labels(*_labels(account_key)).observe(self._clock() - started)

    def count_delivery(self, to: str, telling: Telling) -> None:
        """A backend, or operators, were told of an event, or were to be."""
        self._callbacks.labels(to, _result(telling)).inc()

    def count_error(self, operation: Operation) -> None:
        """Count an exception that was not foreseen."""
        self._failed.labels(operation.value).inc()

    def _histogram(self, name: str, help_text: str, bounds: tuple[float, ...]) -> Histogram:
        return Histogram(name, help_text, _ACCOUNT, registry=self.registry, buckets=bounds)


def _labels(account_key: str) -> tuple[str, str]:
    provider, _, account = account_key.partition("/")
    return provider, account


def _result(telling: Telling) -> str:
    """`again`: it failed, and is tried again."""
    return "again" if telling is Telling.PENDING else telling.value
