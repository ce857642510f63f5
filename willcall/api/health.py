"""Liveness and readiness of the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from anyio import CapacityLimiter, create_task_group, current_time, move_on_after, to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from willcall.api.dependencies import NoParameters
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType, unavailable
from willcall.api.responses import SchemaResponse
from willcall.schemas.operations import Liveness, Readiness, ServiceStatus
from willcall.stores.outages import not_serving_code

log = structlog.get_logger(__name__)

router = APIRouter(tags=["health"])

#: Seconds in which a service must respond.
TIMEOUT = 2.0
#: Seconds for which a result is reused, however often it is asked for.
CACHE_SECONDS = 0.5


@dataclass(slots=True)
class ReadinessChecks:
    """Checks of the required services, by name: each returns, or raises any exception.

    They have their own threads: all others may be waiting for a service that hangs.
    """

    checks: Mapping[str, Callable[[], object]]
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    _cached: dict[str, tuple[float, str | None]] = field(default_factory=dict)

    async def run(self) -> dict[str, str | None]:
        """Return what is wrong with each service; `None` if it responds."""
        now = current_time()
        fresh = {name: detail for name, (at, detail) in self._cached.items() if now - at < CACHE_SECONDS}
        checked: dict[str, str | None] = {
            name: f"no response within {TIMEOUT:g} s" for name in self.checks if name not in fresh
        }
        async with create_task_group() as group:
            for name in list(checked):
                group.start_soon(self._check, name, checked)
        self._cached |= {name: (now, detail) for name, detail in checked.items()}
        return {name: {**fresh, **checked}[name] for name in self.checks}

    async def _check(self, name: str, results: dict[str, str | None]) -> None:
        with move_on_after(TIMEOUT):
            try:
                await to_thread.run_sync(self.checks[name], abandon_on_cancel=True, limiter=self.threads)
            except Exception as error:  # noqa: BLE001 - each driver has its own errors
                log.warning("not ready", service=name, error=error)
                code = not_serving_code(error)
                results[name] = f"refuses commands: {code}" if code else "not responding"
            else:
                results[name] = None


@router.get("/healthz", summary="Liveness", responses=responses(ProblemType.REJECTED, ok_200=Liveness))
async def healthz(_: NoParameters) -> SchemaResponse:
    """Return 200 while the process runs, whatever else is down."""
    return SchemaResponse(Liveness())


@router.get(
    "/readyz",
    summary="Readiness",
    responses=responses(ProblemType.REJECTED, ProblemType.UNAVAILABLE, ok_200=Readiness),
)
async def readyz(request: Request, _: NoParameters) -> Response:
    """Return 200 if orders can be accepted; otherwise 503 with the services that are unavailable."""
    checks: ReadinessChecks = request.app.state.readiness
    found = await checks.run()
    parts = {name: ServiceStatus(ok=detail is None, detail=detail) for name, detail in found.items()}
    down = [name for name, part in parts.items() if not part.ok]
    if down:
        return unavailable(" and ".join(down)).response(parts={name: part.to_json() for name, part in parts.items()})
    return SchemaResponse(Readiness(ready=True, parts=parts))
