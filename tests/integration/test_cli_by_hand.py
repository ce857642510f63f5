"""What people do by hand with the `willcall` command."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.conftest import Willcall

if TYPE_CHECKING:
    from redis import Redis

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
SUBMIT = ("submit", "--provider", "tiqets", "--reference", "1111111", "--not-before", "2030-01-01T00:00:00Z")


def submit(willcall: Willcall, order_id: str = "ord-1", *more: str) -> None:
    assert willcall(*SUBMIT, "--id", order_id, *more).code == 0


def test_an_order_is_completed_with_files(willcall: Willcall, redis: "Redis", tmp_path: Path) -> None:  # noqa: ARG001
    submit(willcall)
    ticket, page = tmp_path / "ticket.pdf", tmp_path / "login.html"
    ticket.write_bytes(PDF)
    page.write_bytes(b"<html>log in</html>")
    refused = willcall("complete", "ord-1", "--file", str(page))
    assert (refused.code, refused.err) == (2, "willcall: file: login.html is an HTML page\n")
    assert willcall("complete", "ord-1").code == 2
    assert willcall("complete", "ord-1", "--file", str(tmp_path / "none.pdf")).code == 2
    ended = willcall("complete", "ord-1", "--file", str(ticket), "--code", "4711", "--note", "by mail")
    assert (ended.code, ended.out) == (0, "Order ord-1 is fulfilled with 2 tickets.\n")
    ended = willcall("complete", "ord-1", "--file", str(ticket), "--json")
    assert json.loads(ended.out)["ended_by"] == "operator"
    shown = willcall("order", "ord-1").out
    assert "completed" in shown
    assert "command line (" in shown
    assert "2 tickets; was pending; by mail" in " ".join(shown.split())
    assert willcall("complete", "ord-2", "--code", "1").code == 1


def test_an_order_is_amended(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    submit(willcall, "ord-1", "--quantity", "4", "--callback-url", "https://shop.example/hook")
    assert willcall("amend", "ord-1").code == 2
    ended = willcall("amend", "ord-1", "--quantity", "2", "--event-at", "2030-06-01T20:00:00Z", "--callback-url", "")
    assert (ended.code, ended.out) == (0, "Order ord-1 is amended; it is pending.\n")
    order = json.loads(willcall("amend", "ord-1", "--quantity", "2", "--json").out)
    assert (order["quantity"], order["event_at"], order["callback_url"]) == (2, "2030-06-01T20:00:00Z", None)
    refused = willcall("amend", "ord-1", "--callback-url", "http://10.0.0.1/hook")
    assert refused.code == 2
    assert refused.err.startswith("willcall: callback_url: ")


def test_the_events_of_many_orders_are_redelivered(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    for number in range(3):
        submit(willcall, f"ord-{number}", "--callback-url", "https://shop.example/hook")
        willcall("cancel", f"ord-{number}")
    assert willcall("redeliver").code == 2
    assert willcall("redeliver", "ord-1", "--undelivered").code == 2
    assert willcall("redeliver", "--undelivered").out == "3 events will be sent again.\n"
    assert willcall("redeliver", "--since", "1h").out == "3 events will be sent again.\n"
    assert willcall("redeliver", "--since", "2029-01-01T00:00:00Z").out == "0 events will be sent again.\n"
    assert willcall("redeliver", "--since", "yesterday").code == 2


def test_a_look_a_sample_and_what_the_history_says(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    looked = willcall("look", "--provider", "tiqets", "--reference", "2", "--json")
    assert (looked.code, json.loads(looked.out)["outcome"]) == (0, "unavailable")
    again = willcall("look", "--provider", "tiqets", "--reference", "2")
    assert again.code == 1
    assert again.err.startswith("willcall: no request about this reference is allowed before 20")
    assert willcall("look", "--provider", "tikets", "--reference", "2").code == 2
    assert willcall("trigger", "late").code == 2
    refused = willcall("trigger", "at_risk")
    assert (refused.code, refused.err) == (1, "willcall: no callback_url is given, and none is configured\n")
    assert willcall("pause", "tiqets/default", "--for", "1m", "--reason", "maintenance").code == 0
    entries = [json.loads(line) for line in willcall("history", "--json").out.splitlines()]
    assert [(entry["action"], entry["detail"]) for entry in entries] == [
        ("paused", "for 60 s; maintenance"),
        ("looked_up", "unavailable"),
    ]
    assert all(entry["by"].startswith("command line (") for entry in entries)
    assert "tiqets/default" in willcall("history").out
