"""Validation of submitted orders."""

from typing import Any

import pytest

from willcall.orders.errors import RejectedOrderError
from willcall.orders.submission import SubmitOrder, parse_submission

ORDER = {"provider": "tiqets", "reference": "1111111"}


def parsed(**fields: Any) -> SubmitOrder:
    return parse_submission({**ORDER, **fields})


def test_only_provider_and_reference_are_required() -> None:
    assert parsed().id.startswith("ord_")
    assert parsed().id != parsed().id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", "2"),
        ("quantity", True),
        ("quantity", 0),
        ("not_before", 1_800_000_000),
        ("not_before", "1800000000"),
        ("not_before", "2026-11-22T10:00:00"),
        ("not_before", "9999-12-31T23:59:59Z"),
        ("not_before", "0001-01-01T00:00:00+14:00"),
        ("reference", "half \ud800 of a pair"),
        ("metadata", {"count": 1}),
        ("callback_url", "ftp://example.com"),
        ("callback_url", "http://[::1"),
        ("callback_url", "https://user:password@backend.example/"),
        ("callback_url", "https://user@backend.example/"),
        ("id", "-"),
        ("colour", "blue"),
    ],
)
def test_the_invalid_field_is_named(field: str, value: object) -> None:
    with pytest.raises(RejectedOrderError) as caught:
        parsed(**{field: value})
    assert [problem.field.partition(".")[0] for problem in caught.value.errors] == [field]


def test_a_time_may_be_in_any_zone() -> None:
    assert parsed(not_before="2026-11-22T11:00:00+01:00").order().not_before == 1_795_341_600
