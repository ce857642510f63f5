"""Flower in a browser, on the running demo."""

import re

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import Open
from tests.browser.demo import frozen_worker, patient_order
from tests.waiting import wait_until
from willcall.devtools.local_deployment import FLOWER_LOGIN, LocalDeployment
from willcall.usecases.submit import submit


@pytest.fixture
def flower(open_page: Open) -> Page:
    """An empty page with Flower's password."""
    return open_page(login=FLOWER_LOGIN)


def search(page: Page, demo: LocalDeployment, words: str) -> None:
    page.goto(f"{demo.flower_url}/tasks")
    page.get_by_placeholder("state:FAILURE").fill(words)
    expect(page.locator(".dataTables_info")).to_contain_text("filtered")


def test_flower_asks_for_a_password(page: Page, demo: LocalDeployment, complaints: list[str]) -> None:
    with page.expect_console_message(), pytest.raises(Error, match="INVALID_AUTH_CREDENTIALS"):
        page.goto(f"{demo.flower_url}/tasks")
    assert "401" in complaints.pop()


def test_the_task_list_names_order_attempt_and_account(flower: Page, demo: LocalDeployment) -> None:
    search(flower, demo, "tasks.poll")
    arguments = flower.locator("#tasks-table tbody tr td:nth-child(3)").filter(has_text="attempt")
    expect(arguments.first).to_have_text(re.compile(r"^(demo-\w+) +attempt \d+ +(\w+)/(\w+)$"))


def test_an_orders_chain_is_found_by_its_id_and_leads_back_to_its_first_attempt(
    flower: Page, demo: LocalDeployment
) -> None:
    order = patient_order(demo)
    rows = flower.locator("#tasks-table tbody tr")

    ids: list[str] = []

    def all_are_there() -> bool:
        search(flower, demo, f"name:tasks.poll {order.id}:")
        ids[:] = [row.get_attribute("id") or "" for row in rows.all()]
        return len(ids) >= order.attempts

    wait_until(all_are_there)  # Flower hears of each a moment after it was made
    assert all(task_id.startswith(f"{order.id}:") for task_id in ids)
    assert f"{order.id}:1" in ids
    search(flower, demo, f"{order.id}:")
    rows.filter(has_text="tasks.notify").get_by_role("link", name=f"{order.id}:evt_").first.click()
    flower.get_by_role("link", name=f"{order.id}:1").first.click()
    expect(flower.locator(".task-uuid-value")).to_contain_text(f"{order.id}:1")
    expect(flower.locator("#task-page")).to_contain_text(f"{order.id} attempt 1 {order.account_key}")


@pytest.mark.proof
def test_an_order_that_another_application_submitted_is_found_too(flower: Page, demo: LocalDeployment) -> None:
    order = {"id": "demo-by-task", "provider": "tiqets", "reference": "8888888", "quantity": 2}
    demo.app.send_task("tasks.submit", queue="willcall", kwargs=order, task_id="submitted-elsewhere")
    row = flower.locator("#submitted-elsewhere")

    def is_there() -> bool:
        search(flower, demo, "tasks.submit kwargs:id=demo-by-task")  # it looks again when it is asked again
        return bool(row.count())

    wait_until(is_there)
    expect(row).to_contain_text("demo-by-task tiqets 2")


@pytest.mark.proof
def test_the_workers_page_has_the_worker_and_no_button_to_change_it(flower: Page, demo: LocalDeployment) -> None:
    flower.goto(f"{demo.flower_url}/workers")
    (name,) = demo.app.control.ping(timeout=60, limit=1)[0]
    row = flower.locator("#workers-table tbody tr").filter(has_text=name)
    expect(row).to_contain_text("Online")
    row.get_by_role("link", name=name).click()
    expect(flower.locator("#workername")).to_have_text(name)
    assert flower.get_by_text(re.compile("Shut Down|Restart Pool")).count() == 0


@pytest.mark.proof
def test_a_script_on_flowers_page_cannot_stop_a_worker(
    flower: Page, demo: LocalDeployment, complaints: list[str]
) -> None:
    flower.goto(f"{demo.flower_url}/workers")
    (name,) = demo.app.control.ping(timeout=60, limit=1)[0]
    status = flower.evaluate(
        "address => fetch(address, {method: 'POST'}).then(answer => answer.status)", f"/api/worker/shutdown/{name}"
    )
    assert status == 403
    assert "403" in complaints.pop()
    assert demo.app.control.ping(timeout=60, limit=1)


@pytest.mark.proof
def test_the_broker_page_counts_all_and_ready_messages(flower: Page, demo: LocalDeployment) -> None:
    with frozen_worker(demo):
        for number in range(3):
            submit(demo.context, {"provider": "paylogic", "reference": f"nobody-knows-{number}"})
        later = {"provider": "paylogic", "reference": "nobody-knows-yet", "not_before": "2999-01-01T00:00:00Z"}
        submit(demo.context, later)
        flower.goto(f"{demo.flower_url}/broker")
        cells = flower.locator("#queue-table tbody tr").filter(has_text="willcall.poll.paylogic").locator("td")
        messages, ready = (int(cells.nth(column).inner_text()) for column in (1, 3))
        assert ready >= 3
        assert messages > ready
