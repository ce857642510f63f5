"""Reload the configuration of all processes."""

from fastapi import APIRouter

from willcall.api.dependencies import ContextDep, NoParameters
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.api.responses import SchemaResponse
from willcall.api.security import ActorDep
from willcall.schemas import operations as schemas
from willcall.usecases.reload import reload_processes

router = APIRouter(tags=["operations"])


@router.post(
    "/v1/reload",
    name="reload_configuration",
    summary="Reload the configuration",
    responses=responses(ProblemType.REJECTED, ok_200=schemas.ReloadResult),
)
def reload(context: ContextDep, actor: ActorDep, _: NoParameters) -> SchemaResponse:
    """Have every process take its configuration as it is now, and return what each of them did, within 10 seconds.

    Each process reads its own file, and takes all of it or nothing. Requires one of `api.operator_keys`.
    """
    answers = reload_processes(context.stores, actor)
    return SchemaResponse(schemas.ReloadResult(processes=tuple(answers)))
