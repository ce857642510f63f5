"""Funtrips' accounts: a backend's OAuth client, which gets bearers, or the public bearer of one user.

https://docs.funtrips.io
"""

import math
import re
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal, Self
from urllib.parse import quote_plus

from pydantic import Field, field_validator, model_validator

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Throttled, Unauthorized, Unavailable
from willcall.providers.base import AccessToken
from willcall.providers.credentials import Credentials, ProviderUrl
from willcall.providers.reading import as_object, as_text, read_object, retry_after, status_outcome
from willcall.setting_types.secrets import HeaderSecret, Secret, SecretText

_OAUTH_FIELDS = ("token_url", "client_id", "client_secret")
_BACKEND_ONLY = ("scope", "token_auth", "since_parameter", "until_parameter")
_PARAMETER = re.compile(r"[A-Za-z0-9._\[\]-]{1,64}")
#: Parameters of the admin list that are no time window.
_OTHER_FILTERS = {"checkout_id", "external_user_id", "cursor", "limit"}
#: Lifetime of a token if none is given, and the longest plausible one, in seconds.
_UNSTATED_LIFE, _LONGEST_LIFE = 300.0, 86_400.0
#: Error codes that some servers send with 400 although the request is not at fault.
_TEMPORARY = {"temporarily_unavailable", "server_error"}


class FuntripsCredentials(Credentials):
    """A backend's OAuth client (`token_url`, `client_id`, `client_secret`), or a headless `public_bearer`.

    `base_url` contains the stage; `/v1` is added here. `token_auth` is how the token endpoint accepts id and secret; if
    it is not set, each method is tried until one works. `since_parameter` and `until_parameter` name the time window of
    the admin list, for reconciliation; the guide has one "if your spec supports" it, and no names.
    """

    token_url: ProviderUrl | None = None
    client_id: SecretText | None = Field(None, repr=False)
    client_secret: Secret | None = None
    scope: str = ""
    token_auth: Literal["basic", "basic_raw", "body"] | None = None
    public_bearer: HeaderSecret | None = None
    since_parameter: str = ""
    until_parameter: str = ""

    @field_validator("since_parameter", "until_parameter")
    @classmethod
    def _name_of_a_parameter(cls, name: str) -> str:
        if name and not _PARAMETER.fullmatch(name):
            raise ValueError("must be the name of a query parameter: letters, digits and . _ - [ ]")
        if name in _OTHER_FILTERS:
            raise ValueError("must not be the name of another filter")
        return name

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        given = [name for name in _OAUTH_FIELDS if getattr(self, name)]
        if self.public_bearer is not None:
            beside = given or [name for name in _BACKEND_ONLY if getattr(self, name)]
            if beside:
                raise ValueError(f"public_bearer cannot be combined with {', '.join(beside)}")
        elif not given:
            raise ValueError(f"needs {', '.join(_OAUTH_FIELDS)}, or public_bearer instead")
        elif len(given) < len(_OAUTH_FIELDS):
            missing = (name for name in _OAUTH_FIELDS if name not in given)
            raise ValueError(f"needs {', '.join(missing)} as well as {', '.join(given)}")
        if self.until_parameter and self.until_parameter == self.since_parameter:
            raise ValueError("since_parameter and until_parameter must be different")
        if self.until_parameter and not self.since_parameter:
            raise ValueError("until_parameter needs since_parameter as well")
        return self

    @property
    def headless(self) -> bool:
        """Whether the account acts as one user, with a public bearer."""
        return self.public_bearer is not None


class FuntripsOAuth:
    """Client credentials for a backend's bearer.

    https://docs.funtrips.io (POST /oauth/token) · https://www.rfc-editor.org/rfc/rfc6749#section-4.4
    """

    def token_requests(self, credentials: FuntripsCredentials, /) -> dict[str, Request]:
        """Return the requests for a token by method: that of the setting `token_auth`, otherwise each distinct one.

        The standard form-encodes id and secret in Basic, which many servers do not decode; others read the body.

        https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
        """
        if credentials.headless:
            return {}
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

    def read_token(self, response: Response, /) -> AccessToken | Unauthorized | Throttled | Unavailable:
        """Return the token, or why there is none; an unreadable response counts as an outage of the endpoint.

        A rejected client gets 400 or 401. https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        """
        if response.status in range(200, 300):  # some endpoints respond with 201 or 203
            token = _read_token_body(response)
            return token or _token_outage(response, "no usable access_token from the token endpoint")
        detail = f"HTTP {response.status} from the token endpoint"
        outcome = status_outcome(response)
        if isinstance(outcome, Throttled):
            return outcome
        rejected = response.status == HTTPStatus.BAD_REQUEST and not _is_temporary(response)
        if rejected or isinstance(outcome, Unauthorized):
            return Unauthorized(whole_account=True, retry_after=retry_after(response), detail=detail)
        return _token_outage(response, detail)


def _basic(client: str, secret: str) -> Mapping[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{client}:{secret}'.encode()).decode()}"}


def _read_token_body(response: Response) -> AccessToken | None:
    body = as_object(read_object(response))
    value = as_text(body.get("access_token"))
    if value is None or not all("!" <= character <= "~" for character in value):
        return None
    return AccessToken(value, expires_in=_token_life(body.get("expires_in")))


def _token_life(stated: object) -> float:
    try:
        seconds = float(as_text(stated) or 0)
    except ValueError:
        return _UNSTATED_LIFE
    return min(seconds, _LONGEST_LIFE) if seconds > 0 and not math.isnan(seconds) else _UNSTATED_LIFE


def _token_outage(response: Response, detail: str) -> Unavailable:
    return Unavailable(request_sent=False, retry_after=retry_after(response), detail=detail)


def _is_temporary(response: Response) -> bool:
    return as_text(as_object(read_object(response)).get("error")) in _TEMPORARY
