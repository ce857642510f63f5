"""Finding, exporting and acting on many orders with the `willcall` command."""

from typing import TYPE_CHECKING

from tests.integration.conftest import Willcall

if TYPE_CHECKING:
    from redis import Redis

SUBMIT = ("submit", "--provider", "tiqets", "--not-before", "2099-01-01T00:00:00Z")


def submit(willcall: Willcall, number: int, *more: str) -> None:
    given = ("--id", f"cart-{number}", "--reference", f"ref-{number}", "--meta", f"n={number}", *more)
    assert willcall(*SUBMIT, *given).code == 0


def test_orders_are_found_and_the_next_page_repeats_the_filters(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    for number in range(3):
        submit(willcall, number, "--callback-url", "https://8.8.8.8/hook")
    found = willcall("orders", "--text", "REF-1", "--json")
    assert [order["id"] for order in found.lines] == ["cart-1"]
    assert [order["id"] for order in willcall("orders", "--metadata", "n=2", "--json").lines] == ["cart-2"]
    assert willcall("orders", "--host", "9.9.9.9").err == "No orders match.\n"
    assert willcall("orders", "--submitted-before", "2020-01-01T00:00:00Z").err == "No orders match.\n"
    page = willcall("orders", "--text", "cart", "--host", "8.8.8.8", "--limit", "1")
    assert page.err.endswith("Next page: willcall orders --text cart --host 8.8.8.8 --limit 1 --cursor 3\n")
    assert willcall("orders", "--metadata", "n").code == 2


def test_orders_are_exported_as_csv(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    submit(willcall, 1)
    assert willcall("orders", "--csv", "--columns", "id,metadata.n").out == "id,metadata.n\r\ncart-1,1\r\n"
    assert willcall("orders", "--csv").out.startswith("id,provider,account,client,reference,")
    for wrong in (("--columns", "id"), ("--csv", "--columns", "x"), ("--csv", "--json"), ("--csv", "--overdue")):
        assert willcall("orders", *wrong).code == 2


def test_what_is_overdue_is_not_filtered_by_metadata(willcall: Willcall) -> None:
    refused = willcall("orders", "--overdue", "--metadata", "n=1")
    assert refused.code == 2
    assert "can only be combined with --limit and --json" in refused.err


def test_many_orders_are_acted_on_after_a_yes(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    for number in range(3):
        submit(willcall, number)
    asked = willcall("bulk", "cancel", "--provider", "tiqets")
    assert (asked.code, asked.out) == (1, "")
    assert asked.err == "cancel 3 orders: nothing was done; add --yes to do it.\n"
    done = willcall("bulk", "cancel", "cart-0", "--yes")
    assert (done.code, done.out) == (0, "cancel: 1 order.\n")
    polled = willcall("bulk", "poll", "--text", "cart", "--limit", "3", "--yes")
    assert polled.out.splitlines() == [
        "cart-0: order cart-0 is cancelled; polling cannot change that",
        "poll: 2 orders; 1 order left as before.",
    ]
    assert polled.code == 0
    lines = willcall("bulk", "poll", "cart-2", "no-such", "--yes", "--json")
    assert lines.lines == [
        {"id": "cart-2", "done": True, "error": None},
        {"id": "no-such", "done": False, "error": "no order has the id no-such"},
    ]
    assert lines.code == 1
    assert "poll requested" in willcall("order", "cart-2").out


def test_many_orders_are_never_all_by_mistake(willcall: Willcall, redis: "Redis") -> None:  # noqa: ARG001
    for wrong in ((), ("cart-1", "--status", "pending")):
        assert willcall("bulk", "cancel", *wrong, "--yes").code == 2
    assert willcall("bulk", "erase", "cart-1").code == 2
