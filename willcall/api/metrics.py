"""`/metrics`: this process, and how everything stands at that moment. No id, reference or secret is a label."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from prometheus_client.exposition import generate_latest
from starlette.responses import Response

from willcall.api.dependencies import NoParameters
from willcall.api.metrics_collector import MetricsCollector, Queues
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.api.security import require_any_key
from willcall.usecases.context import Context

router = APIRouter(tags=["health"])


def registry(context: Context, queues: Queues) -> CollectorRegistry:
    """What `/metrics` shows."""
    found = CollectorRegistry()
    found.register(context.meters.registry)
    found.register(MetricsCollector(context, queues))
    return found


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    dependencies=[Depends(require_any_key)],
    responses={
        **responses(ProblemType.UNAUTHORIZED, ProblemType.FORBIDDEN, ProblemType.REJECTED, ProblemType.UNAVAILABLE),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The exposition format."},
    },
)
def metrics(request: Request, _: NoParameters) -> Response:
    """Orders, accounts, queues and sweeps as they are now, and what this process has done.

    A key of `api.keys` or of `api.operator_keys` is needed, where there is any.
    """
    shown: Any = request.app.state.metrics
    return Response(generate_latest(shown), media_type=CONTENT_TYPE_LATEST)
