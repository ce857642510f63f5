"""Pages from templates: all values are escaped, and nothing is loaded from elsewhere."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from willcall.api.board import charts, labels
from willcall.api.board.access import FLASH_COOKIE, AccessMode, BoardAccess, delete_cookie, is_secure_context
from willcall.api.board.stream import STALE_AFTER
from willcall.orders.ticket_documents import lacks_document
from willcall.orders.urls import web_host
from willcall.providers.registry import is_secret_reference
from willcall.views import redaction
from willcall.views.formatting import (
    describe_document_warning,
    describe_ended_by,
    describe_failed_fetch,
    format_count,
    format_due,
    format_duration,
    format_relative,
    format_timestamp,
)
from willcall.views.order_columns import cell

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Browsers log an error about it on pages that are not secure.
_TRUSTED_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin"}


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page, with the message of the last form if there is one."""
    access: BoardAccess = request.app.state.board_access
    flash = request.cookies.get(FLASH_COOKIE)
    message = access.sessions.read_flash(flash) if flash else None
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    base = {"message": message, "path": request.url.path, "here": here, "has_login": access.mode is AccessMode.LOGIN}
    text = _environment().get_template(template).render(base | values)
    response = HTMLResponse(text, status, HEADERS | (_TRUSTED_HEADERS if is_secure_context(request) else {}))
    if flash:
        delete_cookie(response, FLASH_COOKIE)
    return response


def fragments(templates: Mapping[str, str], **values: Any) -> dict[str, str]:
    """Render parts of a page, by their id."""
    environment = _environment()
    return {name: environment.get_template(template).render(values) for name, template in templates.items()}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        undefined=StrictUndefined,
        finalize=_without_control_characters,
    )
    environment.globals |= {
        "charts": charts,
        "labels": labels,
        "redaction": redaction,
        "is_secret_reference": is_secret_reference,
        "asset": _asset,
        "icon": _icon,
        "stale_after": STALE_AFTER,
    }
    environment.globals |= {
        "describe_document_warning": describe_document_warning,
        "describe_ended_by": describe_ended_by,
        "lacks_document": lacks_document,
        "cell": cell,
        "web_host": web_host,
    }
    environment.filters |= {
        "span": format_duration,
        "counted": format_count,
        "absolute": format_timestamp,
        "relative": format_relative,
        "coming": format_due,
        "failed_fetch": describe_failed_fetch,
        "segment": lambda text: quote(text, safe=""),
        "code": _code,
        "number": lambda number: f"{number:,}",
    }
    return environment


def _without_control_characters(value: object) -> object:
    """Return a text of others with what is not printable replaced: it could turn around or hide the text beside it."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(character if character.isprintable() or character == "\n" else "\ufffd" for character in value)


def _code(text: str) -> Markup:
    """Show what stands between backticks as code."""
    code, plain = Markup("<code>{}</code>"), Markup("{}")
    return Markup().join((code if number % 2 else plain).format(part) for number, part in enumerate(text.split("`")))


@cache
def _asset(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    digest = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/board/static/{name}?v={digest}"


def _icon(name: str) -> Markup:
    """Return an icon; the text beside it always says the same."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)
