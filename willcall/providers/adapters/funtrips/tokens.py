"""Funtrips' OAuth: client credentials for a backend's bearer.

https://docs.funtrips.io (POST /oauth/token) · https://www.rfc-editor.org/rfc/rfc6749#section-4.4
"""

from base64 import b64encode
from urllib.parse import quote_plus

from willcall.orders.outcomes import Malformed, Missing, Outcome, Unauthorized
from willcall.providers.adapters.funtrips.credentials import FuntripsCredentials
from willcall.providers.base import AccessToken, Answer, Request
from willcall.providers.reading import read_object, status_outcome, text, whole

#: How long a token is used whose life is not stated, and the longest that we believe, seconds.
_UNSTATED = 300
_LONGEST = 86_400
_BAD_REQUEST = 400


def token_request(credentials: FuntripsCredentials) -> Request:
    """The client authenticates by Basic, id and secret form-encoded first as the standard has it.

    https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    """
    secret = credentials.client_secret.get_secret_value() if credentials.client_secret else ""
    pair = f"{quote_plus(credentials.client_id or '')}:{quote_plus(secret)}"
    form = {"grant_type": "client_credentials"}
    if credentials.scope:
        form["scope"] = credentials.scope
    return Request(
        "POST",
        credentials.token_url or "",
        headers={"Authorization": f"Basic {b64encode(pair.encode()).decode()}"},
        form=form,
    )


def read_token(answer: Answer) -> AccessToken | Outcome:
    """The token, or the outcome of not getting one; none of these says anything of an order.

    A refused client is answered 400 or 401. https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    """
    outcome = status_outcome(answer)
    detail = f"HTTP {answer.status} from the token endpoint"
    if isinstance(outcome, Unauthorized) or answer.status == _BAD_REQUEST:
        return Unauthorized(whole_account=True, detail=detail)
    if isinstance(outcome, Missing):
        return Malformed(detail=detail)
    return outcome or _read_body(answer)


def _read_body(answer: Answer) -> AccessToken | Malformed:
    body = read_object(answer)
    if isinstance(body, Malformed):
        return body
    value = text(body.get("access_token"))
    if value is None or not all("!" <= sign <= "~" for sign in value):
        return Malformed(detail="no usable access_token from the token endpoint")
    stated = whole(body.get("expires_in")) or 0
    return AccessToken(value, expires_in=min(stated, _LONGEST) if stated > 0 else _UNSTATED)
