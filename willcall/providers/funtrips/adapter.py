"""The Funtrips adapter: fulfilments by checkout or by user, from a backend (OAuth) or with a public bearer (headless).

https://docs.funtrips.io ("Fetching Tickets (Fulfillment)")
"""

import math
from base64 import b64encode
from collections.abc import Generator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal, Self
from urllib.parse import quote_plus

from pydantic import Field, model_validator

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import (
    Issued,
    Malformed,
    NotReady,
    Outcome,
    PartlyIssued,
    Throttled,
    Unauthorized,
    Unavailable,
)
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.serialization import rfc3339
from willcall.providers.base import AccessToken, AccountDefaults, Adapter, ListedOrder, OrderQuery
from willcall.providers.conversations import Answer, Conversation, Step, fetch, find_owners
from willcall.providers.credentials import Credentials, ProviderUrl
from willcall.providers.funtrips.pages import (
    checkouts_without_pdf,
    next_page_request,
    read_cursor,
    replace_checkouts,
)
from willcall.providers.funtrips.records import (
    Record,
    RecordStatus,
    checkout_outcome,
    read_records,
    user_outcome,
    user_ticket_keys,
)
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import as_object, as_text, read_json, read_object, retry_after, status_outcome
from willcall.setting_types.secrets import HeaderSecret, Secret, SecretText

#: What each status of a record means, in lower case. https://docs.funtrips.io/reference/confirmfulfillment
STATUSES: Mapping[str, RecordStatus] = {
    "pending": RecordStatus.WAITING,
    "confirmed": RecordStatus.WAITING,
    "completed": RecordStatus.COMPLETED,
    "failed": RecordStatus.FAILED,
    "cancelled": RecordStatus.CANCELLED,
    "canceled": RecordStatus.CANCELLED,
}
#: The HTTP statuses that mean "not ready". The guide has 202, the reference pages 409.
#: https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
_NOT_READY = {202, 409}

_USER = "user:"
_ME = "me"
_LONGEST_USER = 255
#: Most orders that are read from one list.
_MOST_LISTED = 1_000

#: Most further pages of a user's list, and most checkouts whose PDFs are asked for, in one attempt.
_MOST_PAGES, _MOST_CHECKOUTS = 20, 20
#: Seconds of the time window of a list.
_WINDOW = 86_400.0
#: How the name of a parameter looks.
_PARAMETER = r"^[A-Za-z0-9_.\[\]-]{0,64}$"

_OAUTH_FIELDS = ("token_url", "client_id", "client_secret")
#: Lifetime of a token if none is given, and the longest plausible one, in seconds.
_UNSTATED_LIFE, _LONGEST_LIFE = 300.0, 86_400.0
#: Error codes that some servers send with 400 although the request is not at fault.
_TEMPORARY = {"temporarily_unavailable", "server_error"}


class FuntripsCredentials(Credentials):
    """A backend's OAuth client (`token_url`, `client_id`, `client_secret`), or a headless `public_bearer`.

    `base_url` contains the stage; `/v1` is added here. `token_auth` is how the token endpoint accepts id and secret; if
    it is not set, each method is tried until one works. `since_parameter` and `until_parameter` are the names of the
    API's time window, which the guide leaves open. Without the first, no list is requested.
    """

    token_url: ProviderUrl | None = None
    client_id: SecretText | None = Field(None, repr=False)
    client_secret: Secret | None = None
    scope: str = ""
    token_auth: Literal["basic", "basic_raw", "body"] | None = None
    public_bearer: HeaderSecret | None = None
    since_parameter: Annotated[str, Field(pattern=_PARAMETER)] = ""
    until_parameter: Annotated[str, Field(pattern=_PARAMETER)] = ""

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        given = [name for name in _OAUTH_FIELDS if getattr(self, name)]
        if self.public_bearer is not None:
            others = ("scope", "token_auth", "since_parameter", "until_parameter")
            beside = given or [name for name in others if getattr(self, name)]
            if beside:
                raise ValueError(f"public_bearer cannot be combined with {', '.join(beside)}")
        elif not given:
            raise ValueError(f"needs {', '.join(_OAUTH_FIELDS)}, or public_bearer instead")
        elif len(given) < len(_OAUTH_FIELDS):
            missing = (name for name in _OAUTH_FIELDS if name not in given)
            raise ValueError(f"needs {', '.join(missing)} as well as {', '.join(given)}")
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


class FuntripsListing:
    """Lists the fulfilments of a time window; only for backends that know the names of its parameters."""

    def list_request(
        self, credentials: FuntripsCredentials, access_token: str | None, since: float, /
    ) -> Request | None:
        """Request the admin list from `since` on. Without a filter it is never requested."""
        if credentials.headless or not credentials.since_parameter:
            return None
        window = {credentials.since_parameter: rfc3339(since) or ""}
        if credentials.until_parameter:
            window[credentials.until_parameter] = rfc3339(since + _WINDOW) or ""
        url = f"{credentials.base_url}/v1/admin/fulfillments"
        return Request("GET", url, params=window, headers=_authorized(access_token))

    def next_page(
        self, credentials: FuntripsCredentials, access_token: str | None, response: Response, /
    ) -> Request | None:
        """Continue at the cursor of the page."""
        cursor = read_cursor(read_json(response))
        if cursor is None or not credentials.since_parameter:
            return None
        url = f"{credentials.base_url}/v1/admin/fulfillments"
        return next_page_request(Request("GET", url, headers=_authorized(access_token)), cursor)

    def read_list(self, response: Response, /) -> list[ListedOrder]:
        """Return each checkout of the list, with the outcome of all its records."""
        records = _records(response)
        if status_outcome(response) is not None or isinstance(records, Malformed):
            return []
        by_checkout: dict[str, list[Record]] = {}
        for record in records:
            checkout = record.checkout
            if checkout in by_checkout:
                by_checkout[checkout].append(record)
            elif checkout is not None and len(by_checkout) < _MOST_LISTED:
                by_checkout[checkout] = [record]
        return [ListedOrder(checkout, checkout_outcome(its, checkout)) for checkout, its in by_checkout.items()]


class FuntripsUserLists:
    """All fulfilments of one user: `user:<external_user_id>` with OAuth, `me` with a public bearer."""

    references: tuple[str, ...] = (_USER, _ME)

    def ticket_keys(self, query: OrderQuery, response: Response, /) -> frozenset[str]:
        """Return the keys of all tickets of the user, of any age."""
        records = _records(response)
        return frozenset() if isinstance(records, Malformed) else user_ticket_keys(records, _user(query.reference))


class FuntripsAdapter(Adapter):
    """Reads the fulfilments of one checkout, or all of one user."""

    name = "funtrips"
    credentials = FuntripsCredentials
    #: No limit is documented; ten a second is our choice. The back-off is the guide's 3, 5, 8, 13 up to 30 seconds.
    #: https://docs.funtrips.io ("How polling works")
    defaults = AccountDefaults(
        rate=Rate(limit=10, period=1, burst=10), polling=PollPolicy(initial=3, factor=1.6, cap=30)
    )
    oauth = FuntripsOAuth()
    listing = FuntripsListing()
    user_lists = FuntripsUserLists()
    user_credential = "public_bearer"

    def check_reference(self, reference: str, credentials: FuntripsCredentials, /) -> None:
        """Accept a checkout id, or one of the references in `FuntripsUserLists`."""
        is_user = reference.startswith(_USER)
        if credentials.headless and is_user:
            raise ValueError("a reference of the form user:... needs OAuth credentials")
        if not credentials.headless and reference == _ME:
            raise ValueError("the reference me needs a public_bearer, of the account or of the order")
        if is_user:
            _check_user(reference.removeprefix(_USER))
        else:
            check_reference_segment("checkout_id", reference)

    def status_request(self, query: OrderQuery, credentials: FuntripsCredentials, token: str | None, /) -> Request:
        """Filter the admin list as a backend; as a user, read one checkout or all of the user's own."""
        if credentials.public_bearer is not None:
            one = f"checkouts/{path_segment(query.reference)}/fulfillment"
            path = "me/fulfillments" if query.reference == _ME else one
            bearer = credentials.public_bearer.get_secret_value()
            return Request("GET", f"{credentials.base_url}/v1/{path}", headers=_authorized(bearer))
        kind = "external_user_id" if query.reference.startswith(_USER) else "checkout_id"
        return Request(
            "GET",
            f"{credentials.base_url}/v1/admin/fulfillments",
            params={kind: query.reference.removeprefix(_USER)},
            headers=_authorized(token),
        )

    def converse(
        self, query: OrderQuery, credentials: FuntripsCredentials, access_token: str | None, /
    ) -> Conversation:
        """Ask for one checkout; or for a user's list, its further pages, and the PDFs that lists do not show."""
        request = self.status_request(query, credentials, access_token)
        response = yield from fetch(request)
        if response is None:
            return Unavailable()
        if not self.is_user_list(query.reference):
            return self.read_status(query, response)
        if response.status in _NOT_READY or status_outcome(response) is not None:
            return self.read_status(query, response)
        records = _records(response)
        if isinstance(records, Malformed):
            return records
        records += yield from _further_pages(request, response)
        user = _user(query.reference)
        query = replace(query, ownership=(yield from find_owners(user_ticket_keys(records, user))))
        outcome = user_outcome(records, user, query)
        if query.watched or not isinstance(outcome, Issued | PartlyIssued):
            return outcome
        detailed = yield from self._in_full(checkouts_without_pdf(outcome.tickets), credentials, access_token)
        return user_outcome(replace_checkouts(records, detailed), user, query) if detailed else outcome

    def _in_full(
        self, checkouts: list[str], credentials: FuntripsCredentials, access_token: str | None
    ) -> Generator[Step, Answer, dict[str, list[Record]]]:
        """Return the records of single checkouts, which have the addresses of PDFs that lists leave out.

        https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
        """
        found: dict[str, list[Record]] = {}
        for checkout in checkouts[:_MOST_CHECKOUTS]:
            response = yield from fetch(self.status_request(OrderQuery(checkout), credentials, access_token))
            if response is None:
                break
            records = _records(response) if status_outcome(response) is None else []
            if records and not isinstance(records, Malformed):
                found[checkout] = records
        return found

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Read 202, 409 and a 200 without tickets as not ready; a 200 with tickets has them all."""
        if response.status in _NOT_READY:
            return NotReady(detail=f"HTTP {response.status}")
        outcome = status_outcome(response)
        if outcome is not None:
            return outcome
        records = _records(response)
        if isinstance(records, Malformed):
            return records
        if self.is_user_list(query.reference):
            return user_outcome(records, _user(query.reference), query)
        return checkout_outcome(records, query.reference, query.quantity)


def _further_pages(request: Request, first: Response) -> Generator[Step, Answer, list[Record]]:
    """Return the records of a list's further pages. A page that cannot be had now is read at a later poll."""
    records: list[Record] = []
    page, seen = first, set[str]()
    while len(seen) < _MOST_PAGES:
        cursor = read_cursor(read_json(page))
        if cursor is None or cursor in seen:
            break
        seen.add(cursor)
        response = yield from fetch(next_page_request(request, cursor))
        found = _records(response) if response and status_outcome(response) is None else None
        if response is None or found is None or isinstance(found, Malformed):
            break
        records += found
        page = response
    return records


def _records(response: Response) -> list[Record] | Malformed:
    return read_records(read_json(response), STATUSES)


def _user(reference: str) -> str | None:
    """Return the user whom a reference names, or `None` for `me`, the owner of the bearer."""
    return reference.removeprefix(_USER) if reference != _ME else None


def _check_user(user: str) -> None:
    """Raise ValueError for an impossible user id. It is sent in a filter, not in the path."""
    if not user.strip() or len(user) > _LONGEST_USER or not user.isprintable():
        raise ValueError(f"external_user_id must be 1 to {_LONGEST_USER} printable characters")


def _authorized(bearer: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer or ''}"}


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
