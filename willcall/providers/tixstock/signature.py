"""The signature of Tixstock's webhooks: HMAC-SHA-256 of the raw body with our bearer token, in hex.

https://pf-api-documentation.tixstock.com/v1/webhooks/overview
"""

import hmac

from willcall.providers.pushes import PushRequest
from willcall.providers.tixstock.credentials import TixstockCredentials

HEADER = "x-tixstock-signature"


def signed(call: PushRequest, credentials: TixstockCredentials) -> bool:
    """Whether the call is Tixstock's; compared in constant time."""
    key = credentials.bearer_token.get_secret_value().encode()
    given = call.headers.get(HEADER, "").strip().lower().encode()
    return hmac.compare_digest(hmac.digest(key, call.body, "sha256").hex().encode(), given)
