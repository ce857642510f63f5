"""What the server signs, the client's verification accepts, whatever is in it."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from willcall.stores.codec import compact_json
from willcall.usecases.notify import _headers
from willcall_client import WebhookVerificationError
from willcall_client.webhooks import verify_message

NOW = 1_795_367_403

secrets = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + base64.b64encode(key).decode())
bodies = st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none())


@given(bodies, st.lists(secrets, min_size=1, max_size=3, unique=True), secrets, st.data())
def test_a_signed_message_is_accepted_with_any_of_its_secrets_and_no_other(
    event: dict[str, object], signers: list[str], other: str, data: st.DataObject
) -> None:
    body = compact_json(event)
    headers = _headers("evt_1", body, NOW, [SecretStr(secret) for secret in signers])
    known = data.draw(st.sampled_from(signers))
    assert verify_message(body.encode(), headers, [other, known], now=NOW) == json.loads(body)
    if other not in signers:
        with pytest.raises(WebhookVerificationError):
            verify_message(body.encode(), headers, other, now=NOW)
