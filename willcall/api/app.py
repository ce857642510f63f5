"""The ASGI application."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from anyio import create_task_group, sleep, to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline

from willcall.api import (
    accounts,
    batch,
    bulk,
    checkouts,
    dead_letters,
    documents,
    events,
    health,
    history,
    metrics,
    operations,
    orders,
    problems,
)
from willcall.api import reload as reloading
from willcall.api.board import routes as board
from willcall.api.board.access import BoardAccess
from willcall.api.board.compression import PageCompression
from willcall.api.feed_waiting import FeedWaiters
from willcall.api.metrics_collector import Queues
from willcall.api.middleware import WORKER_THREADS, RequestMiddleware
from willcall.api.openapi import DESCRIPTION, VERSION, install_openapi, responses
from willcall.api.order_conditions import OrderConditions
from willcall.api.problems import ProblemType
from willcall.api.rejected_keys import RejectedKeys
from willcall.api.request_body import BodyReceiver
from willcall.api.request_models import Batch, Bulk, Look, Override, Pause, Redeliveries, Trigger
from willcall.api.security import Access, DocumentationGuard, Role, require
from willcall.api.webhooks import webhook_routes
from willcall.config import Config
from willcall.orders.submission import AmendOrder, SubmitOrder
from willcall.runtime.heartbeat import BEAT, HeartbeatSender
from willcall.runtime.live_config import Commit, LiveConfig
from willcall.usecases.checkouts import CheckoutRequest
from willcall.usecases.context import Context


def create_api(
    current: Callable[[], Context],
    checks: Mapping[str, Callable[[], object]],
    queues: Queues,
    *,
    exposed: bool,
    live: LiveConfig | None = None,
) -> RequestMiddleware:
    """Assemble the application.

    `current` returns the context, which a reload replaces; each request uses one to its end. `checks` are the readiness
    checks, by service. `exposed`: it is reachable beyond loopback. `live`: the configuration to follow.
    """
    app = FastAPIOffline(
        title="Willcall",
        version=VERSION,
        description=DESCRIPTION,
        redoc_url=None,
        static_url="/docs/assets",
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
    )
    context = current()
    app.state.current_context = current
    app.state.live_config = live
    app.state.access = Access(context.settings.api)
    app.state.body_receiver = BodyReceiver()
    app.state.readiness = health.ReadinessChecks(checks)
    app.state.feed_waiters = FeedWaiters(context.stores.events.any_after)
    app.state.rejected_keys = RejectedKeys()
    app.state.metrics = metrics.registry(current, queues, app.state.rejected_keys.counter)
    app.add_middleware(PageCompression)
    app.add_middleware(DocumentationGuard)
    problems.install_error_handlers(app)
    backends, trusted = require(Role.BACKEND, Role.CLIENT), require(Role.BACKEND, Role.OPERATOR)
    app.include_router(_with_key(backends, orders.router, documents.router, batch.router, events.router))
    app.include_router(_with_key(backends, checkouts.router))
    app.include_router(
        _with_key(require(*Role), accounts.router, orders.operator_router, bulk.router, operations.router)
    )
    app.include_router(_with_key(trusted, accounts.operator_router, dead_letters.router, history.router))
    app.include_router(_with_key(require(Role.OPERATOR), reloading.router, operations.operator_router))
    app.include_router(webhook_routes(current))
    app.include_router(checkouts.return_routes(current))
    app.include_router(health.router)
    app.include_router(metrics.router)
    streams = board.install(app, context, exposed=exposed)
    if live:
        live.subscribe(partial(_prepare_access, app, exposed=exposed))
    install_openapi(
        app,
        [
            SubmitOrder,
            AmendOrder,
            CheckoutRequest,
            Batch,
            Bulk,
            OrderConditions,
            Pause,
            Override,
            Look,
            Redeliveries,
            Trigger,
        ],
    )

    def stop() -> None:
        streams.stop()
        app.state.feed_waiters.stop()

    return RequestMiddleware(app, stop)


def _prepare_access(app: FastAPI, config: Config, *, exposed: bool) -> Commit:
    """Prepare what checks keys. Sessions end with the operator key that opened them."""
    access = Access(config.settings.api)
    board_access = BoardAccess(config.settings.api, app.state.current_context().stores.sessions, exposed=exposed)

    def commit() -> None:
        app.state.access, app.state.board_access = access, board_access

    return commit


def _with_key(check: Callable[..., object], *routers: APIRouter) -> APIRouter:
    router = APIRouter(
        dependencies=[Depends(check)],
        responses=responses(ProblemType.UNAUTHORIZED, ProblemType.FORBIDDEN, ProblemType.UNAVAILABLE, ProblemType.BUSY),
    )
    for each in routers:
        router.include_router(each)
    return router


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
    processes = app.state.current_context().stores.processes
    with HeartbeatSender(processes, "api", live=app.state.live_config) as heartbeat:
        async with create_task_group() as group:
            group.start_soon(_beat, heartbeat)
            yield
            group.cancel_scope.cancel()


async def _beat(heartbeat: HeartbeatSender) -> None:
    """Show that the event loop is not blocked."""
    while True:
        heartbeat.beat()
        await sleep(BEAT)
