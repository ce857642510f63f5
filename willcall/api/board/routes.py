"""Add the board to the application."""

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from willcall.api.board import actions, bulk, by_hand, login, operations, order_lists, pages, runbook
from willcall.api.board.access import BoardAccess
from willcall.api.board.errors import BoardRoute, not_found_page
from willcall.api.board.rendering import STATIC
from willcall.api.board.stream import UpdateStreams
from willcall.orders.history import Actor
from willcall.usecases.context import Context


def install(app: FastAPI, context: Context, *, exposed: bool) -> UpdateStreams:
    """Add the board. Returns what must be stopped when the process stops."""
    streams = UpdateStreams()
    app.state.board_access = BoardAccess(context.settings.api, context.stores.sessions, exposed=exposed)
    app.state.board_streams = streams
    router = APIRouter(route_class=BoardRoute, dependencies=[Depends(_operator)], include_in_schema=False)
    for part in (pages, order_lists, actions, bulk, by_hand, operations, runbook):
        router.include_router(part.router)
    app.include_router(login.router)
    app.include_router(router)
    app.mount("/board/static", _Static(directory=STATIC))
    app.add_exception_handler(HTTPException, not_found_page)
    return streams


async def _operator(request: Request) -> None:
    access: BoardAccess = request.app.state.board_access
    principal = request.state.principal = await access.check(request)
    request.state.actor = Actor(f"board: {principal.operator}" if principal.operator else "board")


class _Static(StaticFiles):
    """Files whose URL changes with their content, so that browsers may cache them forever."""

    def file_response(self, *args: object, **options: object) -> Response:
        response = super().file_response(*args, **options)  # type: ignore[arg-type]
        if isinstance(response, FileResponse):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
