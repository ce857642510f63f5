"""The ASGI application."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from anyio import create_task_group, sleep, to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline

from willcall.api import accounts, batch, dead_letters, documents, events, health, metrics, orders, problems
from willcall.api.board import routes as board
from willcall.api.metrics_collector import Queues
from willcall.api.middleware import WORKER_THREADS, RequestMiddleware
from willcall.api.openapi import DESCRIPTION, VERSION, install_openapi, responses
from willcall.api.problems import ProblemType
from willcall.api.request_body import BodyReceiver
from willcall.api.request_models import Batch, Override, Pause
from willcall.api.security import DocumentationGuard, Keys, require_any_key, require_key
from willcall.api.webhooks import webhook_routes
from willcall.orders.submission import SubmitOrder
from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from willcall.usecases.context import Context


def create_api(
    context: Context, checks: Mapping[str, Callable[[], object]], queues: Queues, *, exposed: bool
) -> RequestMiddleware:
    """Assemble the application.

    `checks` are the readiness checks, by service. `exposed`: it is reachable beyond loopback.
    """
    app = FastAPIOffline(
        title="Willcall",
        version=VERSION,
        description=DESCRIPTION,
        redoc_url=None,
        static_url="/docs/assets",
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.context = context
    app.state.keys = Keys(context.settings.api.keys)
    app.state.all_keys = Keys((*context.settings.api.keys, *context.settings.api.operator_keys))
    app.state.body_receiver = BodyReceiver()
    app.state.readiness = health.ReadinessChecks(checks)
    app.state.metrics = metrics.registry(context, queues)
    app.add_middleware(DocumentationGuard)
    problems.install_error_handlers(app)
    app.include_router(_with_key(require_key, orders.router, documents.router, batch.router, events.router))
    app.include_router(_with_key(require_any_key, accounts.router, dead_letters.router, orders.operator_router))
    app.include_router(webhook_routes(context))
    app.include_router(health.router)
    app.include_router(metrics.router)
    streams = board.install(app, context, exposed=exposed)
    install_openapi(app, [SubmitOrder, Batch, Pause, Override])
    return RequestMiddleware(app, streams.stop)


def _with_key(require: Callable[..., object], *routers: APIRouter) -> APIRouter:
    router = APIRouter(
        dependencies=[Depends(require)],
        responses=responses(ProblemType.UNAUTHORIZED, ProblemType.FORBIDDEN, ProblemType.UNAVAILABLE, ProblemType.BUSY),
    )
    for each in routers:
        router.include_router(each)
    return router


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
    context: Context = app.state.context
    with HeartbeatSender(context.stores.processes, "api") as heartbeat:
        async with create_task_group() as group:
            group.start_soon(_beat, heartbeat)
            yield
            group.cancel_scope.cancel()


async def _beat(heartbeat: HeartbeatSender) -> None:
    """Show that the event loop is not blocked."""
    while True:
        heartbeat.beat()
        await sleep(BEAT)
