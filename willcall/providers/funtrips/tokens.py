"""Funtrips' OAuth: client credentials for a backend's bearer.

https://docs.funtrips.io (POST /oauth/token) · https://www.rfc-editor.org/rfc/rfc6749#section-4.4
"""

import math
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote_plus

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Throttled, Unauthorized, Unavailable
from willcall.providers.base import AccessToken
from willcall.providers.funtrips.credentials import FuntripsCredentials
from willcall.providers.reading import as_object, as_text, read_object, retry_after, status_outcome

#: How long a token is used whose life is not stated, and the longest that we believe, seconds.
_UNSTATED = 300.0
_LONGEST = 86_400.0
_BAD_REQUEST = 400
#: Error codes with which some servers say 400 though the client is not at fault.
_TEMPORARY = {"temporarily_unavailable", "server_error"}


def token_requests(credentials: FuntripsCredentials) -> dict[str, Request]:
    """Return the requests for a token by `token_auth`: that of the setting, else one for each way that differs.

    The standard has id and secret form-encoded in Basic, which many servers do not decode; others read the body.

    https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    """
    client = credentials.client_id or ""
    secret = credentials.client_secret.get_secret_value() if credentials.client_secret else ""
    form = {"grant_type": "client_credentials"} | ({"scope": credentials.scope} if credentials.scope else {})
    url = credentials.token_url or ""
    encoded, raw = _basic(quote_plus(client), quote_plus(secret)), _basic(client, secret)
    requests = {
        "basic": Request("POST", url, headers=encoded, form=form),
        "basic_raw": Request("POST", url, headers=raw, form=form),
        "body": Request("POST", url, form={**form, "client_id": client, "client_secret": secret}),
    }
    if credentials.token_auth:
        return {credentials.token_auth: requests[credentials.token_auth]}
    if raw == encoded:
        del requests["basic_raw"]
    return requests


def _basic(client: str, secret: str) -> Mapping[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{client}:{secret}'.encode()).decode()}"}


def read_token(answer: Response) -> AccessToken | Unauthorized | Throttled | Unavailable:
    """Return the token, or what keeps it from us; an answer that makes no sense is an outage of the endpoint.

    A refused client is answered 400 or 401. https://www.rfc-editor.org/rfc/rfc6749#section-5.2
    """
    if answer.status // 100 == 2:  # noqa: PLR2004 - any success, for some answer 201 or 203
        token = _read_body(answer)
        return token or _outage(answer, "no usable access_token from the token endpoint")
    detail = f"HTTP {answer.status} from the token endpoint"
    outcome = status_outcome(answer)
    if isinstance(outcome, Throttled):
        return outcome
    refused = answer.status == _BAD_REQUEST and not _temporary(answer)
    if refused or isinstance(outcome, Unauthorized):
        return Unauthorized(whole_account=True, retry_after=retry_after(answer), detail=detail)
    return _outage(answer, detail)


def _read_body(answer: Response) -> AccessToken | None:
    body = as_object(read_object(answer))
    value = as_text(body.get("access_token"))
    if value is None or not all("!" <= sign <= "~" for sign in value):
        return None
    return AccessToken(value, expires_in=_life(body.get("expires_in")))


def _life(stated: object) -> float:
    try:
        seconds = float(as_text(stated) or 0)
    except ValueError:
        return _UNSTATED
    return min(seconds, _LONGEST) if seconds > 0 and not math.isnan(seconds) else _UNSTATED


def _outage(answer: Response, detail: str) -> Unavailable:
    return Unavailable(request_sent=False, retry_after=retry_after(answer), detail=detail)


def _temporary(answer: Response) -> bool:
    return as_text(as_object(read_object(answer)).get("error")) in _TEMPORARY
