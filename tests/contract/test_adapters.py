"""What every adapter promises, whatever its provider sends."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.credentials import REFERENCES, TABLES
from willcall.http.messages import Request, Response
from willcall.orders.outcomes import (
    OUTCOME_NAMES,
    Cancelled,
    Declined,
    Issued,
    Malformed,
    Missing,
    NotReady,
    Outcome,
    PartlyIssued,
    Throttled,
    Unauthorized,
    Unavailable,
)
from willcall.providers.base import AccessToken, Adapter, Credentials, OrderQuery
from willcall.providers.reading import with_retry_after
from willcall.providers.registry import ADAPTERS

NOW = 1_795_345_200.0  # 2026-11-22T11:00:00Z
#: Outcomes that change what the customer gets, so that only a good response may lead to them.
WEIGHTY = (Issued, PartlyIssued, Declined, Cancelled)

DEEP = 10_000
AWKWARD: dict[str, bytes] = {
    "empty": b"",
    "whitespace": b" \r\n\t",
    "html": b"<!DOCTYPE html><html><body><h1>Sorry</h1></body></html>",
    "truncated": b'{"order_status": "done", "tickets": [{"barcode": "12',
    "null": b"null",
    "true": b"true",
    "number": b"42",
    "huge number": b"9" * 4_000,
    "longer number than Python reads": b"9" * 5_000,
    "string": b'"done"',
    "empty list": b"[]",
    "empty object": b"{}",
    "list of lists": b"[[[]]]",
    "list of odd things": b'[null, 1, "x", [], {}]',
    "nan": b'{"tickets": [{"code": NaN}], "order_payment_status": "paid", "order_tickets_nr": NaN}',
    "infinity": b'{"tickets": [{"code": 1e999}], "order_status": -Infinity}',
    "invalid utf-8": b'{"order_status": "\xff\xfe"}',
    "half of a surrogate pair": b'{"tickets": [{"code": "\\ud800"}]}',
    "deep list": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"data":' * DEEP + b"1" + b"}" * DEEP,
    "deep and open": b'{"items":[' * DEEP,
    "two documents": b'{"order_status": "done"}{"order_status": "done"}',
    "nul bytes": b"\x00" * 64,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}

#: Fields that the providers' responses have, to be filled with values of the wrong type.
FIELDS = (
    *("order_status", "tickets_pdf_url", "order_reference_id", "success", "error_code"),
    *("tickets", "items", "data", "results", "fulfillments", "status", "state", "pdf_url", "checkout_id"),
    *("order_payment_status", "order_tickets_nr", "order_tickets_url", "seats"),
    *("errors", "meta", "quantity", "uid", "code", "_links", "_embedded", "shop:ticket", "shop:eticket"),
)
WRONG: tuple[Any, ...] = (None, True, 0, -1, 1.5, 10**30, "", " ", "x", [], [[]], [None], {}, {"x": []}, [1, "y"])

UNKNOWN_WORD: dict[str, bytes] = {
    "funtrips": b'[{"status": "EXPLODED", "tickets": []}]',
    "tiqets": b'{"success": true, "order_status": "exploded", "tickets_pdf_url": "https://x.example/1.pdf"}',
    "tixstock": b'{"data": {"id": "1", "status": "Exploded", "quantity": 1, "items": []}, "meta": {}}',
    "voordemensen": b'{"order_payment_status": "exploded", "order_tickets_nr": 1, '
    b'"order_tickets_url": "https://tickets.example/1"}',
    "paylogic": b'{"uid": "1", "status": "exploded", "_links": {}, '
    b'"_embedded": {"shop:ticket": [{"uid": "2", "status": "exploded", "_links": {}}]}}',
}

HOSTILE = (
    "../../x?y=1#z",
    "..",
    "a/../../b",
    "%2e%2e%2fadmin",
    "one two three",
    "line\nbreak: x",
    "nul\x00byte",
    "caf\u00e9-\u260e-\U0001f3ab",
    "a?b=c&d=e",
    "a#fragment",
    "\\\\host\\share",
    "user@host.example",
    "x" * 5_000,
    "",
    "   ",
)

KINDS = [(name, kind) for name in TABLES for kind in range(len(TABLES[name]))]
ASKED = [(name, kind, reference) for name, kind in KINDS for reference in REFERENCES[name][kind]]
asked = pytest.mark.parametrize(("name", "kind", "reference"), ASKED)
kinds = pytest.mark.parametrize(("name", "kind"), KINDS)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.sampled_from(["done", "paid"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def credentials_of(name: str, kind: int) -> Credentials:
    return ADAPTERS[name].credentials.model_validate(TABLES[name][kind])


def response_of(body: bytes = b"", status: int = 200, **headers: str) -> Response:
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return Response(status, names, body, received_at=NOW)


def read(name: str, reference: str, response: Response) -> Outcome:
    outcome = with_retry_after(ADAPTERS[name].read_status(OrderQuery(reference), response), response)
    assert type(outcome) in OUTCOME_NAMES
    return outcome


def requests_of(one: Adapter, credentials: Credentials, reference: str) -> Iterator[Request]:
    """All requests that an adapter builds."""
    yield one.status_request(OrderQuery(reference), credentials, "s3cret-access-token")
    if one.oauth:
        yield from one.oauth.token_requests(credentials).values()
    listed = one.listing and one.listing.list_request(credentials, "s3cret-access-token", NOW)
    if listed:
        yield listed


def refusal_of(one: Adapter, reference: str, credentials: Credentials) -> str | None:
    """The message with which a reference is refused, None where it is taken."""
    try:
        one.check_reference(reference, credentials)
    except ValueError as error:
        return str(error)
    return None


def secrets_of(name: str, kind: int) -> list[str]:
    return [value for value in TABLES[name][kind].values() if value.startswith("s3cret")]


def test_every_provider_of_the_registry_is_tested_here() -> None:
    assert set(ADAPTERS) == set(TABLES) == set(REFERENCES) == set(UNKNOWN_WORD)
    assert {name: adapter.name for name, adapter in ADAPTERS.items()} == {name: name for name in ADAPTERS}


@asked
@pytest.mark.parametrize("body", AWKWARD.values(), ids=AWKWARD)
def test_an_awkward_body_is_one_harmless_outcome(name: str, kind: int, reference: str, body: bytes) -> None:
    del kind
    assert not isinstance(read(name, reference, response_of(body)), WEIGHTY)


@asked
@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"null", b"[1]", b"42"])
def test_a_body_that_is_not_a_document_is_malformed(name: str, kind: int, reference: str, body: bytes) -> None:
    del kind
    assert isinstance(read(name, reference, response_of(body)), Malformed)


@asked
@pytest.mark.parametrize("field", FIELDS)
def test_wrong_types_are_one_harmless_outcome(name: str, kind: int, reference: str, field: str) -> None:
    del kind
    for value in WRONG:
        for document in ({field: value}, [{field: value}], {"data": {field: value}}, {"_embedded": {field: value}}):
            outcome = read(name, reference, response_of(json.dumps(document).encode()))
            assert not isinstance(outcome, WEIGHTY), document


@asked
def test_every_http_status_is_one_harmless_outcome(name: str, kind: int, reference: str) -> None:
    del kind
    for status in range(100, 600):
        for body in (b"", b"<html>", b"{}"):
            assert not isinstance(read(name, reference, response_of(body, status)), WEIGHTY), status


@asked
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_malformed(name: str, kind: int, reference: str, status: int) -> None:
    del kind
    response = response_of(b"", status, location="https://elsewhere.example/")
    assert isinstance(read(name, reference, response), Malformed)


@asked
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Unauthorized(whole_account=True, detail="HTTP 401")),
        (403, Throttled(detail="HTTP 403 from a gateway", by_gateway=True)),
        (404, Missing(detail="HTTP 404")),
        (500, Unavailable(detail="HTTP 500")),
        (502, Unavailable(detail="HTTP 502")),
    ],
)
def test_an_unambiguous_http_status_decides(
    name: str, kind: int, reference: str, status: int, outcome: Outcome
) -> None:
    del kind
    assert read(name, reference, response_of(b"<html>", status)) == outcome


@asked
@pytest.mark.parametrize("body", [b"", b'{"detail":"forbidden"}'])
def test_a_403_concerns_the_order_alone(name: str, kind: int, reference: str, body: bytes) -> None:
    del kind
    assert read(name, reference, response_of(body, 403)) == Unauthorized(whole_account=False, detail="HTTP 403")


@asked
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("17", 17.0), ("0", 0.0), ("Sun, 22 Nov 2026 11:00:30 GMT", 30.0), ("Sun, 22 Nov 2026 10:00:00 GMT", 0.0)],
)
def test_a_hint_applies_for_every_response(name: str, kind: int, reference: str, header: str, seconds: float) -> None:
    """Be it an order that is pending, an error, a redirect or a body that cannot be read."""
    del kind
    for status in range(200, 600):
        for body in (b"", b"<html>", UNKNOWN_WORD[name]):
            assert read(name, reference, response_of(body, status, retry_after=header)).retry_after == seconds, status


@asked
def test_a_date_counts_from_the_responses_own_date(name: str, kind: int, reference: str) -> None:
    del kind
    skewed = {"date": "Sun, 22 Nov 2026 10:50:00 GMT", "retry_after": "Sun, 22 Nov 2026 10:52:00 GMT"}
    for status in (200, 202, 404, 429, 503):
        assert read(name, reference, response_of(UNKNOWN_WORD[name], status, **skewed)).retry_after == 120.0


@asked
def test_an_unknown_status_word_is_pending_and_stored(name: str, kind: int, reference: str) -> None:
    del kind
    outcome = read(name, reference, response_of(UNKNOWN_WORD[name]))
    assert isinstance(outcome, NotReady)
    assert outcome.provider_status is not None
    assert outcome.provider_status.lower() == "exploded"
    assert outcome.detail is not None


@asked
@given(document=JSON, status=st.sampled_from([200, 200, 200, 202, 400, 403, 404, 409, 410]))
def test_any_json_is_one_outcome(name: str, kind: int, reference: str, document: Any, status: int) -> None:
    del kind
    body = json.dumps(document).encode()
    outcome = read(name, reference, response_of(body, status))
    if status != 200:
        assert not isinstance(outcome, WEIGHTY)
    if ADAPTERS[name].listing:
        ADAPTERS[name].listing.read_list(response_of(body, status))


@asked
@given(body=st.binary(max_size=200))
def test_any_bytes_are_one_harmless_outcome(name: str, kind: int, reference: str, body: bytes) -> None:
    del kind
    assert not isinstance(read(name, reference, response_of(body)), WEIGHTY)


@pytest.mark.parametrize("name", [name for name, adapter in sorted(ADAPTERS.items()) if adapter.oauth])
@given(
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    status=st.sampled_from([200, 200, 201, 302, 400, 401, 404, 429, 503]),
)
def test_any_response_of_a_token_endpoint_is_a_token_or_an_outcome(name: str, status: int, body: bytes) -> None:
    token = ADAPTERS[name].oauth.read_token(response_of(body, status))
    if isinstance(token, AccessToken):
        assert status in {200, 201}
        assert token.value
        assert token.expires_in > 0
    else:
        assert not isinstance(token, (*WEIGHTY, Missing))


@asked
def test_details_never_quote_the_body(name: str, kind: int, reference: str) -> None:
    del kind
    for body in (b'{"order_status": 5, "message": "S3CRET"}', b"S3CRET", b'{"errors": [{"code": "S3CRET"}]}'):
        for status in (200, 400, 403, 500):
            assert "S3CRET" not in (read(name, reference, response_of(body, status)).detail or "")


@asked
def test_no_repr_shows_a_secret(name: str, kind: int, reference: str) -> None:
    credentials = credentials_of(name, kind)
    shown = [repr(credentials), str(credentials), str(credentials.model_dump())]
    shown += [repr(request) for request in requests_of(ADAPTERS[name], credentials, reference)]
    for secret in [*secrets_of(name, kind), "s3cret-access-token"]:
        assert all(secret not in text for text in shown)


@kinds
def test_an_error_in_the_credentials_does_not_show_them(name: str, kind: int) -> None:
    with pytest.raises(ValueError, match="unknown_key") as caught:
        ADAPTERS[name].credentials.model_validate({**TABLES[name][kind], "unknown_key": "s3cret-other"})
    assert "s3cret" not in str(caught.value)


@asked
def test_requests_go_to_the_configured_addresses(name: str, kind: int, reference: str) -> None:
    credentials = credentials_of(name, kind)
    addresses = (credentials.base_url + "/", str(getattr(credentials, "token_url", None)))
    for request in requests_of(ADAPTERS[name], credentials, reference):
        assert request.url.startswith(addresses)
        assert not urlsplit(request.url).query


@asked
def test_references_of_the_provider_are_accepted(name: str, kind: int, reference: str) -> None:
    ADAPTERS[name].check_reference(reference, credentials_of(name, kind))


@asked
@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_a_hostile_reference_stays_in_its_segment_or_is_rejected(
    name: str, kind: int, reference: str, hostile: str
) -> None:
    one, credentials = ADAPTERS[name], credentials_of(name, kind)
    depths = {
        urlsplit(one.status_request(OrderQuery(each), credentials, None).url).path.count("/")
        for each in REFERENCES[name][kind]
    }
    prefix = reference.partition(":")[0] + ":" if ":" in reference else ""
    for attempt in (hostile, prefix + hostile):
        refusal = refusal_of(one, attempt, credentials)
        if refusal is not None:
            assert len(hostile) < 4 or hostile not in refusal
            continue
        url = one.status_request(OrderQuery(attempt), credentials, None).url
        path = urlsplit(url).path
        assert url.startswith(credentials.base_url + "/")
        assert url.isascii()
        assert url.isprintable()
        assert not {" ", "?", "#", "\\"} & set(url)
        assert not {".", ".."} & {unquote(part) for part in path.split("/")}
        assert path.count("/") in depths


@kinds
def test_defaults_are_usable(name: str, kind: int) -> None:
    del kind
    one = ADAPTERS[name]
    assert one.defaults.rate.limit > 0
    assert one.defaults.rate.burst >= 1
    assert one.defaults.polling.minimum >= one.shortest_interval
    assert one.defaults.polling.initial <= one.defaults.polling.cap
