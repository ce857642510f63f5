"""The board by the rules of WCAG 2.2 AA, as axe-core checks them, in light and in dark."""

import json
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page

from tests.browser.test_board import Board, board, operator
from willcall.devtools.local_deployment import LocalDeployment
from willcall.usecases.submit import submit

__all__ = ["board", "operator"]

pytestmark = pytest.mark.proof

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = (
    "/",
    "/orders",
    "/orders?late=overdue",
    "/orders?late=undelivered",
    "/orders?late=documents",
    "/operations",
    "/dead-letters",
    "/runbook",
    "/search?q=nothing",
    "/orders/accessible",
    "/orders/accessible/edit",
)


def violations(page: Page) -> list[str]:
    """Return what axe-core finds, one line per rule."""
    page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(f"axe.run({json.dumps({'runOnly': RULES})})")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"][:2]
    ]


@pytest.mark.parametrize("path", PAGES)
def test_no_page_breaks_a_rule_of_wcag(board: Board, demo: LocalDeployment, path: str) -> None:
    order = {"id": "accessible", "provider": "tiqets", "reference": "5555555", "not_before": "2099-01-01T00:00:00Z"}
    submit(demo.context, {**order, "callback_url": "http://127.0.0.1:9/accessible"})
    page = board(path)
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found[scheme] = violations(page)
    assert found == {"light": [], "dark": []}
