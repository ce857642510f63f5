"""`/metrics`: this process, and the state of the system. No label holds an id, reference or secret."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from starlette.responses import Response

from willcall.api.dependencies import NoParameters
from willcall.api.metrics_collector import MetricsCollector, Queues
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.api.security import Role, require
from willcall.usecases.context import Context

router = APIRouter(tags=["health"])


def registry(current: Callable[[], Context], queues: Queues, rejected_keys: Counter) -> CollectorRegistry:
    found = CollectorRegistry()
    found.register(current().meters.registry)
    found.register(MetricsCollector(current, queues))
    found.register(rejected_keys)
    return found


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    dependencies=[Depends(require(Role.BACKEND, Role.OPERATOR))],
    responses={
        **responses(ProblemType.UNAUTHORIZED, ProblemType.FORBIDDEN, ProblemType.REJECTED, ProblemType.UNAVAILABLE),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The exposition format."},
    },
)
def metrics(request: Request, _: NoParameters) -> Response:
    """Return orders, accounts, queues and sweeps as they are now, and what this process has done.

    Requires one of `api.keys` or `api.operator_keys`, if there are any.
    """
    shown: Any = request.app.state.metrics
    return Response(generate_latest(shown), media_type=CONTENT_TYPE_LATEST)
