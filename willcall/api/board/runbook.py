"""The runbook as a page of the board, with what to do about each alert."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from willcall.api.board.errors import BoardRoute
from willcall.api.board.rendering import page
from willcall.api.dependencies import NoParameters

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: Where the text is: in the package or, in a checkout, in the documentation.
_PLACES = (Path(__file__).with_name("runbook.md"), Path(__file__).parents[3] / "docs" / "ops" / "runbook.md")


@router.get("/runbook")
def runbook(request: Request, _: NoParameters) -> Response:
    """Show the runbook."""
    return page(request, "runbook.html", text=_rendered())


@cache
def _rendered() -> Markup:
    """Return the runbook as HTML. Headings have the anchors that the documentation has."""
    text = next(place for place in _PLACES if place.exists()).read_text(encoding="utf-8")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text.partition("\n")[2])
    for heading, title in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", _anchor(title.content))
    for token in tokens:
        _without_other_pages(token)
    html = markdown.renderer.render(tokens, markdown.options, {})
    return Markup(html.replace("<pre>", '<pre tabindex="0">'))  # noqa: S704 - our own text; to scroll by keys


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _without_other_pages(token: Any) -> None:
    """Remove links to other pages of the documentation, which the board does not have, and keep their texts."""
    kept, inside = [], False
    for child in token.children or ():
        if child.type == "link_open" and not str(child.attrGet("href")).startswith(("#", "https:")):
            inside = True
        elif child.type == "link_close" and inside:
            inside = False
        else:
            kept.append(child)
    if token.children:
        token.children = kept
