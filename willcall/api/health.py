"""Whether the process lives, and whether what it needs does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from anyio import CapacityLimiter, create_task_group, current_time, move_on_after, to_thread
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from willcall.api import schemas
from willcall.api.dependencies import NoParameters
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType, unavailable
from willcall.stores.outages import not_serving_code

log = structlog.get_logger(__name__)

router = APIRouter(tags=["health"])

#: Seconds in which a part must answer.
PART_TIMEOUT = 2.0
#: Seconds for which an answer holds: who asks more often does not make us write more often.
CACHE_SECONDS = 0.5


@dataclass(slots=True)
class ReadinessChecks:
    """What must answer, by name: each a call that returns, or raises for whatever reason.

    They have threads of their own: none is left for them when all others wait for a part that hangs.
    """

    calls: Mapping[str, Callable[[], object]]
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    _known: dict[str, tuple[float, str | None]] = field(default_factory=dict)

    async def check(self) -> dict[str, str | None]:
        """Per part what is wrong with it, None where it answers."""
        now = current_time()
        found = {name: wrong for name, (at, wrong) in self._known.items() if now - at < CACHE_SECONDS}
        asked: dict[str, str | None] = {
            name: f"no answer within {PART_TIMEOUT:g} s" for name in self.calls if name not in found
        }
        async with create_task_group() as group:
            for name in list(asked):
                group.start_soon(self._ask, name, asked)
        self._known |= {name: (now, wrong) for name, wrong in asked.items()}
        return {name: {**found, **asked}[name] for name in self.calls}

    async def _ask(self, name: str, found: dict[str, str | None]) -> None:
        with move_on_after(PART_TIMEOUT):
            try:
                await to_thread.run_sync(self.calls[name], abandon_on_cancel=True, limiter=self.threads)
            except Exception as error:  # noqa: BLE001 - every driver has errors of its own; all mean the same here
                log.warning("not ready", part=name, error=error)
                code = not_serving_code(error)
                found[name] = f"does not serve: {code}" if code else "does not answer"
            else:
                found[name] = None


@router.get("/healthz", summary="Liveness", responses=responses(ProblemType.REJECTED, ok_200=schemas.Liveness))
async def healthz(_: NoParameters) -> JSONResponse:
    """200 as long as the process answers at all, whatever else is down."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    summary="Readiness",
    responses=responses(ProblemType.REJECTED, ProblemType.UNAVAILABLE, ok_200=schemas.Readiness),
)
async def readyz(request: Request, _: NoParameters) -> Response:
    """200 where orders can be taken; 503 says which part is down."""
    parts: ReadinessChecks = request.app.state.parts
    found = await parts.check()
    document = {"parts": {name: _part(wrong) for name, wrong in found.items()}}
    down = [name for name, wrong in found.items() if wrong]
    if not down:
        return JSONResponse({"ready": True, **document})
    problem = unavailable(" and ".join(down))
    media = "application/problem+json"
    return JSONResponse({**problem.document(), **document}, problem.kind.status, problem.headers, media)


def _part(wrong: str | None) -> dict[str, Any]:
    return {"ok": False, "detail": wrong} if wrong else {"ok": True}
