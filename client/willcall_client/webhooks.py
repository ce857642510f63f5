"""Verifying the webhooks that Willcall sends, which are Standard Webhooks messages.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from willcall_client.decoding import parse_json
from willcall_client.errors import DecodeError, WebhookVerificationError
from willcall_client.models import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds by which a webhook may be older, or newer, than our clock says.
TOLERANCE = 300.0

_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
#: No message of Willcall has more signatures.
_MOST_SIGNATURES = 100
_PREFIX = "whsec_"

Headers = Mapping[Any, Any]


def verify(
    body: bytes | str,
    headers: Headers | Iterable[tuple[Any, Any]],
    secrets: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """Return the event of a webhook that Willcall signed, recently, with one of the secrets.

    Args:
        body: the body as it was received. A body that was parsed and written again has another signature.
        headers: the request's headers as any framework has them, or `environ` or `META` of WSGI.
        secrets: `notify.secret` of Willcall's configuration, or several of which one must match.
        tolerance: seconds by which the webhook's time may differ from `now`.
        now: epoch seconds; by default the current time.

    Raises:
        WebhookVerificationError: it was not signed with any of the secrets, or too long ago. Respond with 401.
        DecodeError: it was, but is no event of an order that this version can read.
        ValueError: a secret has not the right form.
    """
    return Event.from_json(verify_message(body, headers, secrets, tolerance=tolerance, now=now))


def verify_message(
    body: bytes | str,
    headers: Headers | Iterable[tuple[Any, Any]],
    secrets: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> dict[str, Any]:
    """Return the JSON of a webhook, as `verify` does. Willcall's webhooks for operators are no events of orders."""
    content = _bytes(body) if isinstance(body, str) else bytes(body)
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("there is no secret to verify webhooks with")
    given = _webhook_headers(headers)
    _require_recent(given[_TIMESTAMP], tolerance, time.time() if now is None else now)
    signed = b".".join([_bytes(given[_ID]), _bytes(given[_TIMESTAMP]), content])
    expected = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    signatures = list(_signatures(given[_SIGNATURE]))
    # All are compared, so that the time says nothing about which one matched.
    if not any([hmac.compare_digest(each, signature) for each in expected for signature in signatures]):  # noqa: C419
        raise WebhookVerificationError("the webhook has no signature by any of the secrets")
    document = parse_json(content)
    if not isinstance(document, dict):
        raise DecodeError("the webhook is not a JSON object")
    return document


@dataclass(frozen=True)
class SignedWebhook:
    """A webhook as it is sent."""

    body: bytes = field(repr=False)
    headers: dict[str, str]


def sign(body: bytes, event_id: str, secret: str, *, now: float | None = None) -> SignedWebhook:
    """Return a webhook as Willcall would send it, for tests of a receiver."""
    timestamp = str(int(time.time() if now is None else now))
    signature = hmac.new(_key(secret), b".".join([event_id.encode(), timestamp.encode(), body]), hashlib.sha256)
    headers = {
        "content-type": "application/json",
        _ID: event_id,
        _TIMESTAMP: timestamp,
        _SIGNATURE: f"v1,{base64.b64encode(signature.digest()).decode()}",
    }
    return SignedWebhook(body, headers)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"a secret of webhooks must be {_PREFIX} and base64")
    return key


def _webhook_headers(headers: Headers | Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return the three headers of a webhook. Raises WebhookVerificationError if one is missing or there twice."""
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        plain = _text(name).lower().replace("_", "-").removeprefix("http-")
        if plain in {_ID, _TIMESTAMP, _SIGNATURE} and found.setdefault(plain, _text(value)) != _text(value):
            raise WebhookVerificationError(f"the header {plain} is there twice")
    for name in (_ID, _TIMESTAMP, _SIGNATURE):
        if name not in found:
            raise WebhookVerificationError(f"the header {name} is missing")
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # whatever it contains is compared, and never an error of its own


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _require_recent(timestamp: str, tolerance: float, now: float) -> None:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise WebhookVerificationError("the header webhook-timestamp is not a time in seconds")
    age = now - int(timestamp)
    if abs(age) > tolerance:
        when = "old" if age > 0 else "in the future"
        raise WebhookVerificationError(f"the webhook is {abs(age):.0f} s {when}; {tolerance:g} s are tolerated")


def _signatures(header: str) -> Iterable[bytes]:
    """Yield the signatures of version 1; others are for newer receivers."""
    for each in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, signature = each.partition(",")
        if version == "v1":
            try:
                yield base64.b64decode(signature, validate=True)
            except (binascii.Error, ValueError):
                continue
