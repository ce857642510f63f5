"""`/metrics`: this process, and the orders as Redis has them at that moment. No id, reference or secret is a label."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from api.openapi import answers
from api.parameters import Nothing
from api.problems import Kind
from api.security import require_key_beyond_loopback
from willcall.usecases.context import Context

router = APIRouter(tags=["health"])

_ACCOUNT = ("provider", "account")


class Orders(Collector):
    """Reads the indexes whenever somebody asks. Raises StoreError."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering must not ask Redis."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics of all accounts that have, or ever had, an order."""
        stores = self._context.stores
        orders = GaugeMetricFamily("willcall_orders", "Orders kept.", labels=(*_ACCOUNT, "status"))
        waiting = GaugeMetricFamily("willcall_orders_waiting", "Open orders that wait for their time.", labels=_ACCOUNT)
        overdue = GaugeMetricFamily("willcall_orders_overdue", "Open orders overdue by sweeps.grace.", labels=_ACCOUNT)
        held = GaugeMetricFamily("willcall_orders_held", "Open orders whose account is stopped.", labels=_ACCOUNT)
        late = stores.accounts.now() - self._context.settings.sweeps.grace
        for key in sorted({*self._context.accounts, *stores.orders.accounts()}):
            labels = key.split("/")
            for status, count in stores.listing.counts(key).items():
                orders.add_metric([*labels, status.value], count)
            backlog = stores.listing.backlog(key, late)
            waiting.add_metric(labels, backlog.waiting)
            overdue.add_metric(labels, backlog.due)
            held.add_metric(labels, backlog.held)
        yield from (orders, waiting, overdue, held)
        yield GaugeMetricFamily("willcall_events", "Events kept in the feed.", stores.events.count())


def registry(context: Context) -> CollectorRegistry:
    """What `/metrics` shows."""
    found = CollectorRegistry()
    for collector in (ProcessCollector(registry=None), PlatformCollector(registry=None), Orders(context)):
        found.register(collector)
    return found


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    dependencies=[Depends(require_key_beyond_loopback)],
    openapi_extra={"security": [{}]},  # on loopback also without
    responses={
        **answers(Kind.UNAUTHORIZED, Kind.FORBIDDEN, Kind.REJECTED, Kind.UNAVAILABLE),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The exposition format."},
    },
)
def metrics(request: Request, _: Nothing) -> Response:
    """Orders by account and status, how many wait, are overdue or held, and this process."""
    shown: Any = request.app.state.metrics
    return Response(generate_latest(shown), media_type=CONTENT_TYPE_LATEST)
