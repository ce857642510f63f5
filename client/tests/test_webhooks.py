"""Webhooks are accepted with a valid signature alone."""

import base64
import hashlib
import hmac
import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import EVENT
from willcall_client import DecodeError, WebhookVerificationError
from willcall_client.webhooks import verify, verify_message

NOW = 1_795_367_403
BODY = json.dumps(EVENT).encode()
SECRET, OTHER = ("whsec_" + base64.b64encode(text).decode() for text in (b"k" * 32, b"o" * 32))

# The example of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
PUBLISHED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def sign(body: bytes, *secrets: str, at: int = NOW, message: str = "evt_1") -> dict[str, str]:
    signatures = [
        base64.b64encode(
            hmac.new(
                base64.b64decode(secret.removeprefix("whsec_")), f"{message}.{at}.".encode() + body, hashlib.sha256
            ).digest()
        ).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def test_the_published_example_is_accepted() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify_message(b'{"test": 2432232314}', PUBLISHED, secret, now=1_614_265_330) == {"test": 2_432_232_314}


def as_it_is(headers: "dict[str, str]") -> Any:
    return headers


def capitalized(headers: "dict[str, str]") -> Any:
    return MappingProxyType({name.title(): value for name, value in headers.items()} | {"Content-Type": "text/plain"})


def environ(headers: "dict[str, str]") -> Any:
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()} | {"wsgi.input": None}


def raw(headers: "dict[str, str]") -> Any:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


@pytest.mark.parametrize("shape", [as_it_is, capitalized, environ, raw])
def test_headers_are_taken_as_any_framework_has_them(shape: Any) -> None:
    event = verify(BODY, shape(sign(BODY, SECRET)), SECRET, now=NOW)
    assert (event.id, event.type, event.data.tickets[0].code) == ("evt_1", "order.fulfilled", "12345")


@pytest.mark.parametrize("body", [BODY.decode(), bytearray(BODY), memoryview(BODY)])
def test_a_body_may_be_text_or_any_bytes(body: Any) -> None:
    assert verify(body, sign(BODY, SECRET), SECRET, now=NOW).id == "evt_1"


@pytest.mark.parametrize("secrets", [SECRET, [SECRET], [OTHER, SECRET], (SECRET, OTHER), SECRET.removeprefix("whsec_")])
@pytest.mark.parametrize("signers", [[SECRET], [OTHER, SECRET], [SECRET, OTHER]])
def test_while_a_secret_is_rotated_either_one_is_enough(secrets: Any, signers: "list[str]") -> None:
    assert verify(BODY, sign(BODY, *signers), secrets, now=NOW).id == "evt_1"


def test_signatures_of_other_versions_are_ignored() -> None:
    headers = sign(BODY, SECRET)
    headers["webhook-signature"] = "v1a,AAAA v1,### v1 , " + headers["webhook-signature"]
    assert verify(BODY, headers, SECRET, now=NOW).id == "evt_1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"webhook-signature": "v1,AAAA"}, "no signature by any"),
        ({"webhook-signature": ""}, "no signature by any"),
        ({"webhook-signature": sign(BODY, OTHER)["webhook-signature"]}, "no signature by any"),
        ({"webhook-signature": sign(BODY, SECRET)["webhook-signature"].replace("v1,", "v2,")}, "no signature by any"),
        ({"webhook-id": "evt_2"}, "no signature by any"),
        ({"webhook-id": "\udcff\u20ac"}, "no signature by any"),
        ({"webhook-timestamp": str(NOW + 1)}, "no signature by any"),
        ({"webhook-timestamp": str(NOW - 301)}, "301 s old; 300 s are tolerated"),
        ({"webhook-timestamp": str(NOW + 301)}, "301 s in the future"),
        ({"webhook-timestamp": "1e9"}, "not a time in seconds"),
        ({"webhook-timestamp": "9" * 5_000}, "not a time in seconds"),
        ({"webhook-timestamp": "-1"}, "not a time in seconds"),
        ({"webhook-timestamp": "\u0661"}, "not a time in seconds"),
        ({"Webhook-Id": "evt_2"}, "webhook-id is there twice"),
    ],
)
def test_what_is_not_signed_so_is_rejected(change: "dict[str, str]", message: str) -> None:
    with pytest.raises(WebhookVerificationError, match=message):
        verify(BODY, sign(BODY, SECRET) | change, SECRET, now=NOW)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = {name: value for name, value in sign(BODY, SECRET).items() if name != missing}
    with pytest.raises(WebhookVerificationError, match=f"the header {missing} is missing"):
        verify(BODY, headers, SECRET, now=NOW)


@pytest.mark.parametrize("secrets", ["", [], [SECRET, ""], "whsec_", "whsec_not base64", "\u20ac"])
def test_a_secret_that_is_none_is_a_mistake_and_never_accepts(secrets: Any) -> None:
    with pytest.raises(ValueError, match="secret") as error:
        verify(BODY, sign(BODY, SECRET), secrets, now=NOW)
    assert "not base64" not in str(error.value)


def test_a_signed_body_that_is_no_event_is_named() -> None:
    for body, message in ((b"[]", "not a JSON object"), (b"x", "not JSON"), (b'{"id": "evt_1"}', "type is missing")):
        with pytest.raises(DecodeError, match=message):
            verify(body, sign(body, SECRET), SECRET, now=NOW)


@given(st.binary(), st.integers(0, 2**32), st.booleans())
def test_one_changed_bit_of_the_body_is_rejected(body: bytes, position: int, appended: bool) -> None:  # noqa: FBT001 - drawn
    headers = sign(body, SECRET)
    changed = bytearray(body + b"\0" if appended else body or b"\0")
    changed[position % len(changed)] ^= 1 << position % 8
    with pytest.raises(WebhookVerificationError):
        verify_message(bytes(changed), headers, SECRET, now=NOW)


@given(st.dictionaries(st.sampled_from([*PUBLISHED, "x"]), st.text()), st.binary())
def test_whatever_the_headers_are_the_webhook_is_rejected(headers: "dict[str, str]", body: bytes) -> None:
    with pytest.raises(WebhookVerificationError):
        verify_message(body, headers, SECRET)
