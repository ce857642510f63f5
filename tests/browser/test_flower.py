"""Flower in a browser, on the running demo."""

from playwright.sync_api import expect

from cli.stage import FLOWER_LOGIN, Stage
from tests.browser.conftest import Open


def test_the_task_list_names_order_provider_and_attempt(open_page: Open, demo: Stage) -> None:
    page = open_page(login=FLOWER_LOGIN)
    page.goto(f"{demo.flower_url}/tasks")
    expect(page.locator("#tasks-table tbody tr").first).to_contain_text("demo-")
