"""Who did what with accounts and with the installation."""

from fastapi import APIRouter

from willcall.api.dependencies import ContextDep, NoParameters
from willcall.api.openapi import responses
from willcall.api.problems import ProblemType
from willcall.api.responses import SchemaResponse
from willcall.schemas.operations import HistoryPage
from willcall.views.history import history_schema

router = APIRouter(tags=["operations"])


@router.get(
    "/v1/history",
    summary="List who did what",
    responses=responses(ProblemType.REJECTED, ok_200=HistoryPage),
)
def show_history(context: ContextDep, _: NoParameters) -> SchemaResponse:
    """Return what people did with accounts and with Willcall itself, newest first.

    What they did with an order is in the order's attempts.
    """
    entries = context.stores.history.newest(sorted(context.accounts))
    return SchemaResponse(HistoryPage(items=tuple(map(history_schema, entries))))
