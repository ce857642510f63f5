"""Whole lists of orders as CSV and JSON Lines."""

import csv
import json
from contextlib import ExitStack
from io import StringIO

import pytest

from tests.integration.api.conftest import Running, problem
from tests.integration.api.operator import Operator, words
from tests.waiting import wait_until
from willcall.api.order_lists import MOST_EXPORTS
from willcall.orders.submission import SubmitOrder
from willcall.stores.registry import Stores
from willcall.stores.submissions import NewOrder
from willcall.views import order_export
from willcall.views.order_columns import COLUMNS, DEFAULT_COLUMNS


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_list_is_exported_as_csv_in_all_its_pages(api: Running) -> None:
    for number in range(205):
        api.submit(f"ord-{number:03}", reference=f"{number}")
    answer = api.get("/v1/orders", params={"format": "csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="orders.csv"'
    exported = rows(answer.text)
    assert [row["id"] for row in exported] == [f"ord-{number:03}" for number in reversed(range(205))]
    assert tuple(exported[0]) == DEFAULT_COLUMNS
    assert api.get("/v1/orders", headers={"Accept": "text/csv"}).text == answer.text
    assert api.get("/v1/orders", headers={"Accept": "application/json, text/csv"}).json()["items"]
    assert len(rows(api.get("/v1/orders", params={"format": "csv", "text": "ord-00"}).text)) == 10


def test_columns_are_chosen(api: Running) -> None:
    api.submit(metadata={"cart": "42"}, quantity=2, callback_url="https://8.8.8.8/hook?token=secret")
    columns = "id,metadata.cart,metadata.none,quantity,at_risk,tickets,callback_host"
    answer = api.get("/v1/orders", params={"format": "csv", "columns": columns})
    assert answer.text == f"{columns}\r\nord-1,42,,2,false,0,8.8.8.8\r\n"
    answer = api.get("/v1/orders", params={"format": "jsonl", "columns": columns})
    assert answer.headers["Content-Type"].startswith("application/jsonl")
    assert json.loads(answer.text) == {
        "id": "ord-1",
        "metadata.cart": "42",
        "metadata.none": None,
        "quantity": 2,
        "at_risk": False,
        "tickets": 0,
        "callback_host": "8.8.8.8",
    }
    every = api.get("/v1/orders", params={"format": "csv", "columns": ",".join(COLUMNS)})
    assert "token" not in every.text
    (error,) = problem(api.get("/v1/orders", params={"format": "csv", "columns": "id,hook"}), 422, "rejected")["errors"]
    assert "there are id, provider" in error["message"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", "\u200b=1"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(text: str) -> None:
    assert order_export._csv_cell(text) == f"'{text}"  # noqa: SLF001


def test_cells_of_an_order_are_harmless(api: Running) -> None:
    api.submit(metadata={"note": "=HYPERLINK(1)"}, reference="@1")
    answer = api.get("/v1/orders", params={"format": "csv", "columns": "reference,metadata.note,metadata"})
    (row,) = rows(answer.text)
    assert row == {"reference": "'@1", "metadata.note": "'=HYPERLINK(1)", "metadata": '{"note": "=HYPERLINK(1)"}'}


def test_an_export_has_no_pages_and_says_what_is_wrong_before_it_begins(api: Running) -> None:
    for name, value in (("limit", 5), ("cursor", "1")):
        (error,) = problem(api.get("/v1/orders", params={"format": "csv", name: value}), 422, "rejected")["errors"]
        assert error["field"] == name
    problem(api.get("/v1/orders", params={"format": "xlsx"}), 422, "rejected")


def test_the_board_links_to_the_export_of_its_list(api: Running) -> None:
    api.submit("ord-1", group="friday")
    api.submit("ord-2")
    operator = Operator(api)
    page = operator.get("/orders?group=friday&columns=group")
    assert 'href="/orders?group=friday&amp;columns=group&amp;format=csv"' in page.text
    assert "JSON Lines" in words(page)
    assert operator.get("/orders?group=friday&columns=id,group&format=csv").text == "id,group\r\nord-1,friday\r\n"
    assert operator.get("/orders?late=overdue&format=csv").status_code == 422


def test_slow_readers_of_exports_leave_the_api_to_others(api: Running, stores: Stores) -> None:
    submissions = stores.submissions
    orders = [
        SubmitOrder(provider="tiqets", reference=f"{n}", id=f"ord-{n}", metadata={"text": "x" * 5_000}).order()
        for n in range(1_000)
    ]
    submissions.submit([NewOrder(order, order.id, 86_400) for order in orders])
    query = {"format": "csv", "columns": "metadata.text," + ",".join(f"metadata.{n}" for n in range(40))}
    with ExitStack() as stack:
        for _ in range(MOST_EXPORTS):
            reading = api.get("/v1/orders", params=query, stream=True)
            assert stack.enter_context(reading).status_code == 200
        problem(api.get("/v1/orders", params=query), 503, "busy")
        assert api.get("/v1/orders", params={"limit": 1}).status_code == 200
    wait_until(lambda: api.get("/v1/orders", params={"format": "csv", "columns": "id"}).status_code == 200)
