"""The message of a form that the next page shows."""

from http import HTTPStatus
from textwrap import shorten

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from willcall.api.board.access import FLASH_COOKIE, BoardAccess, set_cookie
from willcall.api.board.forms import safe_redirect_path

#: Characters; a message travels in a cookie.
_LONGEST_MESSAGE = 1_000


def redirect_back(request: Request, back: str | None, message: str) -> Response:
    """Redirect to the page with the button, which then shows the message."""
    access: BoardAccess = request.app.state.board_access
    response = RedirectResponse(safe_redirect_path(back), HTTPStatus.SEE_OTHER)
    text = shorten(message, _LONGEST_MESSAGE, placeholder=" ...")
    set_cookie(request, response, FLASH_COOKIE, access.sessions.sign_flash(text))
    return response


def sentence(error: Exception) -> str:
    """Return the message of an error as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
