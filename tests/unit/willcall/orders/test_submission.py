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
        ("bought_at", "2099-01-01T00:00:00Z"),
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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"quantity": "2"}, "quantity: must be a whole number"),
        ({"quantity": 1e30}, "quantity: must be a whole number"),
        ({"quantity": 0}, "quantity: must be at least 1"),
        ({"quantity": 10_001}, "quantity: must be at most 10,000"),
        ({"group": ""}, "group: must not be empty"),
        ({"group": 5}, "group: must be text"),
        ({"group": "g" * 257}, "group: must have at most 256 characters"),
        ({"allow_duplicate": "yes"}, "allow_duplicate: must be true or false"),
        ({"event_at": "2026-11-22T10:00:00"}, "event_at: must be a time in ISO 8601 with a time zone, such as"),
        ({"event_at": "2026-11-22T10:00:00+25:00"}, "event_at: must be a time in ISO 8601 with a time zone, such as"),
        ({"event_at": "2026-11-22T10:00:00 01:00"}, "event_at: must be a time in ISO 8601 with a time zone, such as"),
        ({"event_at": "2026-02-30T10:00:00Z"}, "event_at: must be a time in ISO 8601 with a time zone, such as"),
    ],
)
def test_the_message_says_in_plain_words_what_is_allowed(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RejectedOrderError) as caught:
        parsed(**fields)
    assert str(caught.value).startswith(message)


def test_a_time_may_be_in_any_zone() -> None:
    assert parsed(not_before="2026-11-22T11:00:00+01:00").order().not_before == 1_795_341_600
