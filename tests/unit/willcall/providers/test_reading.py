"""Reading responses: the HTTP status first, then JSON, then values of any type."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed, Missing, Throttled, Unauthorized, Unavailable
from willcall.providers.reading import (
    as_int,
    as_list,
    as_object,
    as_text,
    as_web_url,
    extra_fields,
    read_json,
    read_object,
    retry_after,
    status_outcome,
    status_word,
)

NOW = 1_795_345_200.0  # 2026-11-22T11:00:00Z


def respond(body: bytes = b"", status: int = 200, hint: str | None = None) -> Response:
    return Response(status, {} if hint is None else {"retry-after": hint}, body, received_at=NOW)


@pytest.mark.parametrize(("status", "ok"), [(200, ()), (202, (200, 202)), (409, (409,))])
def test_a_status_with_a_parsed_body_decides_nothing(status: int, ok: tuple[int, ...]) -> None:
    assert status_outcome(respond(status=status), *ok) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (201, Malformed),
        (204, Malformed),
        (302, Malformed),
        (400, Malformed),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, Missing),
        (405, Malformed),
        (408, Unavailable),
        (410, Malformed),
        (425, Unavailable),
        (429, Throttled),
        (500, Unavailable),
        (503, Unavailable),
        (599, Unavailable),
    ],
)
def test_every_other_status_has_its_outcome(status: int, kind: type) -> None:
    outcome = status_outcome(respond(status=status))
    assert type(outcome) is kind
    assert outcome.detail == f"HTTP {status}"


def test_a_401_concerns_the_account_and_a_403_the_order() -> None:
    whole_account = [
        outcome.whole_account
        for status in (401, 403)
        if isinstance(outcome := status_outcome(respond(status=status)), Unauthorized)
    ]
    assert whole_account == [True, False]


GATEWAYS: list[tuple[bytes, dict[str, str]]] = [
    (b"<!doctype html><title>Attention Required!</title>", {"content-type": "text/html; charset=UTF-8"}),
    (b"\xef\xbb\xbf \n<html>", {"content-type": "application/json"}),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", {"content-type": "application/xml"}),
    (b"Forbidden", {"content-type": "text/html"}),
    (b"error code: 1020", {"content-type": "text/plain", "server": "cloudflare", "cf-ray": "8a1-AMS"}),
    (b"", {"server": "CloudFront", "x-amz-cf-id": "x"}),
    (b"", {"server": "awselb/2.0"}),
    (b"RBAC: access denied", {"server": "envoy"}),
    (b"Access Denied", {"server": "AkamaiGHost"}),
    (b"", {"via": "1.1 varnish, 1.1 squid"}),
    (b'{"message":"Forbidden"}', {"x-amzn-waf-action": "challenge", "content-type": "application/json"}),
    (b'{"challenge": true}', {"cf-mitigated": "challenge"}),
]

PROVIDERS: list[tuple[bytes, dict[str, str]]] = [
    (b"", {}),
    (b'{"error":"forbidden"}', {"content-type": "application/json"}),
    (b'{"error":"forbidden"}', {"server": "cloudflare", "cf-ray": "8a1-AMS", "content-type": "application/json"}),
    (b'[{"code":"forbidden"}]', {"content-type": "text/html"}),
    (b"Forbidden", {"server": "nginx", "content-type": "text/plain"}),
]


@pytest.mark.parametrize(("body", "headers"), GATEWAYS)
def test_a_403_of_a_gateway_is_a_throttle_and_no_rejected_key(body: bytes, headers: dict[str, str]) -> None:
    outcome = status_outcome(Response(403, headers, body, received_at=NOW))
    assert outcome == Throttled(detail="HTTP 403 from a gateway", by_gateway=True)


@pytest.mark.parametrize(("body", "headers"), PROVIDERS)
def test_a_403_of_the_provider_is_a_rejection_even_through_a_gateway(body: bytes, headers: dict[str, str]) -> None:
    outcome = status_outcome(Response(403, headers, body, received_at=NOW))
    assert outcome == Unauthorized(whole_account=False, detail="HTTP 403")


@pytest.mark.parametrize(("body", "headers"), GATEWAYS + PROVIDERS)
def test_a_403_with_a_retry_after_is_a_throttle(body: bytes, headers: dict[str, str]) -> None:
    outcome = status_outcome(Response(403, headers | {"retry-after": "30"}, body, received_at=NOW))
    assert isinstance(outcome, Throttled)
    assert outcome.retry_after == 30


def test_a_status_is_parsed_only_where_it_is_named() -> None:
    assert isinstance(status_outcome(respond(status=200), 202), Malformed)


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        ("0", 0.0),
        ("-5", None),
        ("soon", None),
        ("Sun, 22 Nov 2026 11:02:00 GMT", 120.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", 0.0),
    ],
)
def test_the_hint_counts_from_the_arrival_of_the_response(hint: str | None, seconds: float | None) -> None:
    assert retry_after(respond(hint=hint)) == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html>",
        b'{"a": ',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'\xff\xfe{"a": "b"}',
        b'"\\ud800"',
        b'{"\\uDFFF": 1}',
        b"9" * 5_000,
        b"[" * 100_000,
        b"\x00",
    ],
)
def test_a_body_that_is_not_json_is_malformed(body: bytes) -> None:
    assert isinstance(read_json(respond(body)), Malformed)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_in_its_encodings(encoding: str) -> None:
    assert read_json(respond('{"naam": "caf\u00e9 \U0001f3ab"}'.encode(encoding))) == {"naam": "caf\u00e9 \U0001f3ab"}


def test_a_whole_surrogate_pair_is_read() -> None:
    assert read_json(respond(b'"\\ud83c\\udfab \\\\ud800"')) == "\U0001f3ab \\ud800"


@given(st.binary())
def test_every_parsed_value_can_be_serialized_again(body: bytes) -> None:
    value = read_json(respond(body))
    if not isinstance(value, Malformed):
        json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true", b""])
def test_only_an_object_is_an_object(body: bytes) -> None:
    assert isinstance(read_object(respond(body)), Malformed)
    assert read_object(respond(b'{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (" a ", "a"),
        ("", None),
        (" ", None),
        (12, "12"),
        (1.5, "1.5"),
        (10**400, "1" + "0" * 400),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_text_is_a_string_or_a_number(value: Any, expected: str | None) -> None:
    assert as_text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (3.0, 3),
        (3.5, None),
        (math.nan, None),
        (math.inf, None),
        ("3", 3),
        (" 3 ", 3),
        ("-3", None),
        ("\u0663", None),
        ("9" * 19, None),
        ("", None),
        (True, None),
        (None, None),
        ([3], None),
    ],
)
def test_a_whole_number_is_one_in_any_form(value: Any, expected: int | None) -> None:
    assert as_int(value) == expected


def test_a_table_and_a_list_are_always_one() -> None:
    assert [as_object(value) for value in ({"a": 1}, [], None, "a")] == [{"a": 1}, {}, {}, {}]
    assert [as_list(value) for value in ([1], None, 1, {"a": 1})] == [[1], [], [1], [{"a": 1}]]


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("https://a.example/1.pdf", True),
        ("HTTP://a.example", True),
        ("ftp://a.example", False),
        ("javascript:alert(1)", False),
        ("/relative", False),
        ("https://a.example/" + "x" * 3_000, False),
        (None, False),
        ({"href": "https://a.example"}, False),
    ],
)
def test_a_web_link_is_an_http_address(value: Any, *, taken: bool) -> None:
    assert as_web_url(value) == (value if taken else None)


def test_extra_fields_are_stored_whole() -> None:
    fields = {"name": "Adult", "none": None, "zero": 0, "nested": {"a": [1, 2]}, "seats": [{"seat_id": 1}] * 1_000}
    assert extra_fields(fields) == {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    "value", ["x" * 70_000, json.loads("[" * 200 + "]" * 200), math.inf], ids=["long", "deep", "inf"]
)
def test_what_is_too_long_or_too_deep_is_left_out_and_marked(value: Any) -> None:
    assert extra_fields({"a": value, "b": 1}) == {"b": 1, "truncated": True}


def test_a_list_that_is_too_long_keeps_its_first_entries() -> None:
    found = extra_fields({"b": 1, "seats": [{"seat_id": number} for number in range(100)]}, longest=200)
    assert found["truncated"] is True
    assert [seat["seat_id"] for seat in found["seats"]] == [*range(len(found["seats"]))]
    assert 5 < len(found["seats"]) < 100
    assert found["b"] == 1


@given(st.dictionaries(st.text(max_size=200), st.lists(st.text(max_size=50)) | st.text(max_size=300), max_size=40))
def test_the_size_of_extra_fields_is_bounded(fields: dict[str, Any]) -> None:
    found = extra_fields(fields, longest=1_000)
    assert len(json.dumps(found)) <= 1_000 + 40
    assert ("truncated" in found) == (found != fields)


def test_a_status_word_is_stored_printable_and_shortened() -> None:
    assert status_word(" Sale on Hold ") == "Sale on Hold"
    assert status_word("x" * 1_000) == "x" * 64
    assert status_word(["paid"]) is None
