"""The board's forms for what people do by hand, in a browser."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import Open
from tests.browser.demo import OPERATOR_KEY
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import Status
from willcall.usecases.orders import get_order
from willcall.usecases.submit import submit

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def log_in(page: Page, url: str, path: str) -> None:
    page.goto(f"{url}{path}")
    page.get_by_label("Operator key").fill(OPERATOR_KEY)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def keep(page: Page, name: str) -> None:
    """Keep a picture of the page for people, if they say where."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("width", [NARROW, pytest.param(WIDE, marks=pytest.mark.proof)])
def test_an_order_is_amended_and_completed_by_hand(
    demo: LocalDeployment, open_page: Open, tmp_path: Path, width: int
) -> None:
    order_id = f"by-hand-{width}"
    order = {"id": order_id, "provider": "tiqets", "reference": f"55{width:05}", "quantity": 4}
    submit(demo.context, {**order, "not_before": "2040-01-01T00:00:00Z"})
    ticket = tmp_path / "ticket.pdf"
    ticket.write_bytes(PDF)
    page = open_page(width)
    log_in(page, demo.api_url, f"/orders/{order_id}")
    page.get_by_role("link", name="Complete or amend …").click()
    expect(page.get_by_label("Quantity")).to_have_value("4")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep(page, f"edit-{width}")
    page.get_by_label("Quantity").fill("1")
    page.get_by_role("button", name="Amend this order").click()
    expect(page.get_by_role("status")).to_contain_text(f"Order {order_id} is amended.")
    page.get_by_role("link", name="Complete or amend …").click()
    page.get_by_label("Files: PDF, image, wallet pass or archive").set_input_files(ticket)
    page.get_by_label("Note for the timeline").fill("by mail")
    page.get_by_role("button", name="Fulfil this order").click()
    expect(page.get_by_role("status")).to_contain_text(f"Order {order_id} is fulfilled with 1 ticket.")
    expect(page.locator("table.timeline")).to_contain_text("board; 1 ticket; was pending; by mail")
    keep(page, f"completed-{width}")
    done = get_order(demo.context, order_id)
    assert (done.status, done.quantity, len(done.tickets)) == (Status.FULFILLED, 1, 1)


@pytest.mark.parametrize("width", [NARROW, pytest.param(WIDE, marks=pytest.mark.proof)])
def test_operations_are_one_page_with_the_history(demo: LocalDeployment, open_page: Open, width: int) -> None:
    page = open_page(width)
    log_in(page, demo.api_url, "/operations")
    page.get_by_role("combobox", name="Account").select_option("voordemensen/default")
    page.get_by_role("textbox", name="Reference").fill(f"NoSuch-{width}")
    page.get_by_role("button", name="Look now").click()
    expect(page.get_by_role("status")).to_contain_text("voordemensen/default says: missing (HTTP 404")
    page.get_by_text("Redeliver …").click()
    expect(page.get_by_role("button", name="Redeliver these events")).to_be_visible()
    keep(page, f"operations-{width}")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("status")).to_contain_text("A worker will run the sweep alerts.")
    expect(page.get_by_role("table")).to_contain_text("looked up")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
