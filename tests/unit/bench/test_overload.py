from dataclasses import replace
from typing import Any

import pytest

from bench.overload import Result, Sample, linearity, rows, table, violations

GOOD = Result(
    load=40.0,
    samples=[
        Sample(0.0, 0, 0, 1_000_000),
        *(Sample(at, 10 * at, 12 * at, 1_000_000 + 9_000 * at) for at in range(1, 60)),
    ],
    lateness=[(at / 10, at / 20) for at in range(450)],
    probes=[0.1, 0.2],
    drained=True,
)


def test_a_backlog_that_grows_and_drains_is_fine() -> None:
    assert violations(GOOD) == []
    assert "10 s" in table(GOOD)


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": [*GOOD.samples, Sample(60.0, 590, 2_000, 1_000_000)]},
        {"samples": [*GOOD.samples, Sample(60.0, 590, 0, 9_000_000)]},
        {"lateness": [(at, float(at % 20 < 10)) for at in range(40)]},
        {"drained": False},
        {"lateness": [(at, late) for at, late in GOOD.lateness if not 19 <= at < 31]},
        {"probes": [0.1, 4.0]},
        {"probes": []},
    ],
)
def test_duplicates_memory_growth_and_endless_orders_are_detected(changes: dict[str, Any]) -> None:
    assert violations(replace(GOOD, **changes)) != []


def test_rows_are_medians_of_ten_seconds() -> None:
    assert rows([(1.0, 1.0), (2.0, 5.0), (9.9, 2.0), (10.0, 7.0)]) == {0: 2.0, 10: 7.0}


def test_the_linearity_of_a_series_is_measured() -> None:
    assert linearity([(0, 1), (1, 3), (2, 5)]) == pytest.approx(1.0)
    assert linearity([(0, 1), (1, -1), (2, 1), (3, -1)]) < 0.5
