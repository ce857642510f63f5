import json
import re
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.performance.api import BATCH, MINIMAL, ONE_BY_ONE, TIQETS, TIXSTOCK, batch_calls, webhook_calls
from bench.performance.orders import countdowns, payloads
from bench.performance.page import apis, page, recoveries, speeds, summary, table
from bench.performance.results import (
    Recovery,
    Results,
    Speed,
    Submission,
    Waiting,
    Window,
    by_window,
    percentile,
    ratios,
    spread,
)
from willcall.simulator.script import PushScript


def windows(*costs: float) -> list[Window]:
    """Windows of a second with 100 polls of so many ms each."""
    return [Window(count=100, seconds=1.0, cpu=cost / 10) for cost in costs]


PICTURES = ("lateness", "recovery")

SPEED = Speed(
    64, 0.1, {"Willcall": windows(1, 3, 1), "plain Celery": windows(2, 9, 4), "request loop": windows(1, 1, 1)}
)
WAITING = {
    "Willcall": Waiting(1_000, 0.0, 1_400.0, 150.0, [[0.02, 0.03], [0.01, 0.02], [0.04, 0.05]]),
    "plain Celery": Waiting(1_000, 9_000.0, 1_300.0, 100.0, [[0.001, 0.13]] * 3),
}
SUBMISSION = {"Willcall": Submission([900.0], [6_000.0]), "plain Celery": Submission([600.0], [2_000.0])}
RECOVERY = {
    "Willcall": Recovery(45.0, [0.1, 2.5], [24.0]),
    "plain Celery": Recovery(45.0, [None, 3.0], [None]),
}
API = {
    ONE_BY_ONE: windows(2, 4, 3),
    MINIMAL: windows(1, 1, 1),
    BATCH: windows(0.5, 0.5, 0.5),
    TIXSTOCK: windows(4, 5, 6),
    TIQETS: windows(1, 2, 3),
}
RESULTS = Results({"cores": "2"}, [SPEED, SPEED], SUBMISSION, WAITING, RECOVERY, API)


def lines(text: str) -> Sequence[str]:
    """The rows of a table."""
    return text.splitlines()[2:]


def test_the_first_column_of_a_table_is_left_aligned() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_cpu_is_compared_round_by_round() -> None:
    assert "| Willcall | 100 | 1.00 ms | 1.00 to 3.00 | 0.33 x |" in lines(speeds(SPEED))


def test_the_summary_has_a_line_per_promise() -> None:
    found = lines(summary(RESULTS))

    assert found == [
        *["| CPU per poll, provider 100 ms away | 1.00 ms | 4.00 ms | 0.33 x | at most 0.5 x |"] * 2,
        "| worker memory per waiting order | 0.00 kB | 9.00 kB |  | 0 |",
        "| Redis memory per waiting order | 1.40 kB | 1.30 kB |  | at most 2.5 kB |",
        "| lateness at half load, p50 | 20 ms | 1 ms |  | at most 100 ms |",
        "| lateness at half load, p99 | 30 ms | 130 ms |  | at most 200 ms |",
        "| after kill -9: orders that waited | all 2 within 2.5 s | 1 of 2 continue |  | within 5 s |",
        "| after kill -9: orders in flight | all 1 within 24.0 s | 0 of 1 continue |  | within 60 s |",
        "| submit, one by one | 900/s | 600/s | 1.50 x | at least 1 x |",
        "| submit, in batches | 6,000/s | 2,000/s | 3.00 x | at least 3 x |",
        "| HTTP: orders one by one (vs. minimal FastAPI) | 100/s | 100/s | 1.00 x |  |",
        "| HTTP: orders in batches of 1,000 | 100/s |  |  |  |",
        "| HTTP: Tixstock webhooks | 100/s |  |  |  |",
        "| HTTP: Tiqets notifications | 100/s |  |  |  |",
    ]


def test_the_api_is_compared_with_a_minimal_one_where_both_do_the_same_job() -> None:
    found = lines(apis(API))

    assert "| orders one by one | 100/s | 3.00 ms | 2.00 to 4.00 | 3.00 x |" in found
    assert "| Tixstock webhooks | 100/s | 5.00 ms | 4.00 to 6.00 |  |" in found


def test_a_batch_holds_a_thousand_orders() -> None:
    calls = batch_calls(range(1_500), (0.0, 0.0))

    assert [len(json.loads(call.body)["orders"]) for call in calls] == [1_000, 500]


def test_every_webhook_is_signed_and_has_its_own_pdf() -> None:
    one, other = webhook_calls("tixstock", (1, 2), PushScript(kind="eticket", size=50_000))
    files = [b64decode(json.loads(call.body)["data"]["file"]) for call in (one, other)]

    assert "X-Tixstock-Signature" in one.headers
    assert all(50_000 <= len(file) < 50_100 for file in files)
    assert files[0] != files[1]


def test_orders_that_never_continue_are_shown() -> None:
    assert "| plain Celery, in flight | 1 | 0 | never | never |" in lines(recoveries(RECOVERY))


def test_first_polls_are_spread_evenly_over_the_countdown() -> None:
    assert countdowns(range(5, 9), (1.0, 3.0)) == {5: 1.0, 6: 1.5, 7: 2.0, 8: 2.5}


def test_an_order_without_a_countdown_is_due_at_once() -> None:
    assert payloads(range(1), (0.0, 0.0)) == [{"id": "ord-000000", "provider": "tiqets", "reference": "1000000"}]


def test_the_page_shows_every_picture() -> None:
    assert set(PICTURES) == set(re.findall(r"img/performance-(\w+)\.svg", page(RESULTS)))


@pytest.mark.proof
def test_the_same_results_make_the_same_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="comes with the bench")
    from bench.performance.plots import draw  # noqa: PLC0415 - needs it

    for folder in ("one", "two"):
        draw(RESULTS, tmp_path / folder)

    for name in PICTURES:
        one, two = (tmp_path / folder / f"performance-{name}.svg" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]

    assert [percentile(values, share) for share in (0.0, 0.2, 0.5, 0.99, 1.0)] == [1.0, 1.0, 3.0, 5.0, 5.0]


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([1.0, 10.0], [2.0, 20.0]) == [0.5, 0.5]


def test_values_are_sorted_into_windows_and_those_outside_are_left_out() -> None:
    attempts = [(9.9, 1.0), (10.0, 2.0), (14.9, 3.0), (15.0, 4.0), (20.0, 5.0)]

    assert by_window(attempts, opened=10.0, seconds=5.0, count=2) == [[2.0, 3.0], [4.0]]


def test_a_spread_of_large_values_has_no_fractions() -> None:
    assert spread([1.239, 0.5]) == "0.50 to 1.24"
    assert spread([1_700.4, 900.0]) == "900 to 1,700"
