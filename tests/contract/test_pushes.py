"""What every provider that calls back promises, whatever arrives; and its recorded webhooks.

A case is a folder `tests/fixtures/webhooks/<provider>/<case>/` with `body`, the bytes as they came (signed here),
and `expect.json`: what it is read as, and of its fields those that matter.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.credentials import TABLES
from willcall.orders.outcomes import outcome_name
from willcall.orders.pushes import ChangePush, InvalidPush, OrderProgress, OutcomePush, TicketsPush
from willcall.providers.base import Credentials, OrderQuery
from willcall.providers.pushes import (
    IgnoredPush,
    ParsedPush,
    Pushes,
    PushReading,
    PushRequest,
    PushResponse,
    UnreadablePush,
    UnverifiedPush,
)
from willcall.providers.registry import ADAPTERS

FIXTURES = Path(__file__).parent.parent / "fixtures" / "webhooks"
CALLING = [name for name, adapter in ADAPTERS.items() if adapter.pushes]
CASES = [case for name in CALLING for case in sorted((FIXTURES / name).glob("*/"))]
PROGRESS = [
    OrderProgress(stored=True, complete=True, ticket_count=2, expected=2),
    OrderProgress(stored=True, ticket_count=1, expected=2),
    OrderProgress(stored=True, ticket_count=1),
    OrderProgress(stored=False, why="the file is no PDF"),
]

#: The fields and values of all providers' webhooks, for documents that are nearly right.
FIELDS = (
    *("data", "meta", "type", "order_id", "id", "external_order_id", "general_admission", "row", "seat", "file"),
    *("proof_file_url", "additional_file", "mobile_links", "link", "paper_ticket_details", "shipping_tracking_id"),
    *("delivery_partner_name", "status", "items", "quantity", "order_reference_id"),
)
KINDS = (
    *("order.eticket_fulfilment", "order.mobile_ticket_fulfilment", "order.mobile_link_ticket_fulfilment"),
    *("order.paper_ticket_fulfilment", "order.update", "ticket.fulfillment"),
)
WORDS = ("Rejected", "Cancelled", "JVBERi0xLjQKJSVFT0Y=", "====", "https://m.example/1", "o-1", "V", "\ud800", "\x00")
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS + KINDS)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=25,
)
DATA = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=10)
NEARLY_RIGHT = st.builds(
    lambda kind, data, more: {"meta": {"type": kind}, "data": {"order_id": "o-1", **data}, **more},
    st.sampled_from(KINDS),
    DATA,
    DATA,
)


def pushes_of(name: str) -> tuple[Pushes, Credentials]:
    adapter = ADAPTERS[name]
    assert adapter.pushes is not None
    return adapter.pushes, adapter.credentials.model_validate(TABLES[name][0])


def signed(name: str, body: bytes) -> PushRequest:
    key = str(TABLES[name][0].get("bearer_token", "")).encode()
    return PushRequest(body, {"x-tixstock-signature": hmac.new(key, body, hashlib.sha256).hexdigest()})


def read(name: str, body: bytes) -> PushReading:
    """What a body is read as, once it is checked that each reading can be answered."""
    pushes, credentials = pushes_of(name)
    reading = pushes.read_push(signed(name, body), credentials)
    assert isinstance(reading, ParsedPush | UnverifiedPush | UnreadablePush | IgnoredPush)
    for progress in PROGRESS:
        response = pushes.answer_push(reading, progress, credentials)
        assert isinstance(response, PushResponse)
        response.body.encode()
        assert response.status == 200
    if isinstance(reading, ParsedPush):
        assert reading.reference
        assert isinstance(reading.push, TicketsPush | OutcomePush | ChangePush | InvalidPush)
    if isinstance(reading, ParsedPush) and isinstance(reading.push, TicketsPush):
        assert reading.push.tickets
        assert len(reading.push.tickets) == len(reading.files)
    return reading


def test_the_providers_that_call_back_are_known() -> None:
    assert CALLING == ["tiqets", "tixstock"]
    assert {case.parent.name for case in CASES} == set(CALLING)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_recorded_webhook_is_read_as_its_case_says(case: Path) -> None:
    expected = json.loads((case / "expect.json").read_text())
    reading = read(case.parent.name, (case / "body").read_bytes())
    assert type(reading).__name__.removesuffix("Push").lower() == expected.pop("reading")
    if isinstance(reading, ParsedPush):
        _compare(reading, expected)
    elif isinstance(reading, UnreadablePush):
        assert reading.detail == expected["detail"]


def _compare(reading: ParsedPush, expected: dict[str, Any]) -> None:
    push = reading.push
    assert type(push).__name__ == expected.pop("push")
    assert reading.reference == expected.pop("reference")
    if "files" in expected:
        assert sum(content is not None for content in reading.files) == expected.pop("files")
    for name, value in expected.items():
        if name == "tickets":
            assert isinstance(push, TicketsPush)
            for ticket, part in zip(push.tickets, value, strict=True):
                assert _part(ticket, part) == part
        elif name == "outcome":
            assert isinstance(push, OutcomePush)
            assert outcome_name(push.outcome) == value
        else:
            assert getattr(reading if name == "word" else push, name) == value


def _part(ticket: object, part: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: getattr(ticket, name) for name in part}
    if "extra" in part:
        found["extra"] = {name: found["extra"].get(name) for name in part["extra"]}
    return found


@pytest.mark.parametrize("name", CALLING)
@given(body=st.binary(max_size=200) | (JSON | NEARLY_RIGHT).map(lambda value: json.dumps(value).encode()))
def test_any_signed_body_is_one_of_the_closed_set(name: str, body: bytes) -> None:
    read(name, body)


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"data":' * 200_000, b'{"data": "\\ud800"}', b"9" * 5_000, b"\xff\xfe"]
)
@pytest.mark.parametrize("name", CALLING)
def test_an_awkward_body_is_rejected(name: str, body: bytes) -> None:
    assert isinstance(read(name, body), UnreadablePush)


@given(body=st.binary(max_size=100), signature=st.text(max_size=80), key=st.text(min_size=1, max_size=20))
def test_unsigned_pushes_of_tixstock_are_ignored(body: bytes, signature: str, key: str) -> None:
    pushes, credentials = pushes_of("tixstock")
    forged = hmac.new(key.encode(errors="replace"), body, hashlib.sha256).hexdigest()
    calls = [PushRequest(body, {"x-tixstock-signature": each}) for each in (signature.replace("\ud800", ""), forged)]
    for call in [*calls, PushRequest(body, {})]:
        reading = pushes.read_push(call, credentials)
        assert isinstance(reading, UnverifiedPush)
        assert pushes.answer_push(reading, PROGRESS[0], credentials).status == 401


def test_a_signature_with_any_of_the_bearer_tokens_is_valid() -> None:
    adapter = ADAPTERS["tixstock"]
    table = TABLES["tixstock"][0]
    rotating = adapter.credentials.model_validate(table | {"bearer_token": ["the-new-token", table["bearer_token"]]})
    assert adapter.pushes is not None
    reading = adapter.pushes.read_push(signed("tixstock", b"{}"), rotating)
    assert isinstance(reading, UnreadablePush)
    request = adapter.status_request(OrderQuery("1"), rotating, None)
    assert request.headers["Authorization"] == "Bearer the-new-token"


def test_a_signature_may_be_in_upper_or_lower_case() -> None:
    pushes, credentials = pushes_of("tixstock")
    call = signed("tixstock", b"{}")
    upper = PushRequest(call.body, {name: value.upper() for name, value in call.headers.items()})
    assert isinstance(pushes.read_push(upper, credentials), UnreadablePush)


@pytest.mark.parametrize("name", CALLING)
def test_details_never_quote_the_body(name: str) -> None:
    for body in (
        b'{"data": {"order_id": "1", "file": "S3CRET!"}, "meta": {"type": "order.eticket_fulfilment"}}',
        b"S3CRET",
    ):
        assert "S3CRET" not in repr(read(name, body))


@pytest.mark.parametrize("token", ["a/b", "a?b", "a#b", "a%2Fb", "", "a b"])
def test_a_webhook_token_must_fit_into_a_path(token: str) -> None:
    long = token and f"0123456789abcdef{token}"
    with pytest.raises(ValueError, match="webhook_token"):
        ADAPTERS["tiqets"].credentials.model_validate(TABLES["tiqets"][0] | {"webhook_token": long})
