"""The Funtrips adapter.

https://docs.funtrips.io ("Fetching Tickets (Fulfillment)")
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, NotReady, Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccessToken, AccountDefaults, Credentials, ListedOrder, OrderQuery, is_user_list
from willcall.providers.funtrips import tokens
from willcall.providers.funtrips.credentials import FuntripsCredentials
from willcall.providers.funtrips.records import checkout_outcome, read_records, ticket_keys_of, user_outcome
from willcall.providers.plain import NoPushes, NoSecretReferences
from willcall.providers.reading import as_text, read_json, status_outcome
from willcall.providers.safe import check_path_segment, path_segment

_ACCEPTED = 202
#: The reference pages answer 409 where the guide answers 202.
#: https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
_CONFLICT = 409

_USER = "user:"
_ME = "me"
_LONGEST_USER = 255
#: Orders that one list is read for.
_MOST_LISTED = 1_000


class FuntripsAdapter(NoPushes, NoSecretReferences):
    """Reads the fulfilments of one checkout, or all of one user."""

    name: ClassVar[str] = "funtrips"
    credentials: ClassVar[type[Credentials]] = FuntripsCredentials
    shortest_interval: ClassVar[float] = 0.0
    user_references: ClassVar[tuple[str, ...]] = (_USER, _ME)
    #: No limit is stated; ten a second is ours. The back-off is the guide's 3, 5, 8, 13 up to 30 seconds.
    #: https://docs.funtrips.io ("How polling works")
    defaults: ClassVar[AccountDefaults] = AccountDefaults(
        rate=Rate(limit=10, period=1, burst=10),
        polling=PollPolicy(initial=3, factor=1.6, cap=30),
    )

    def check_reference(self, reference: str, credentials: FuntripsCredentials) -> None:
        """A checkout id; beside it `user:<external_user_id>` with OAuth, `me` with a public bearer."""
        user = reference.startswith(_USER)
        if credentials.headless and user:
            raise ValueError("a reference of the form user:... needs OAuth credentials")
        if not credentials.headless and reference == _ME:
            raise ValueError("the reference me needs a public_bearer")
        try:
            if user:
                _check_user(reference.removeprefix(_USER))
            else:
                check_path_segment(reference)
        except ValueError as error:
            raise ValueError(f"{'external_user_id' if user else 'checkout_id'} {error}") from None

    def status_request(
        self, question: OrderQuery, credentials: FuntripsCredentials, access_token: str | None
    ) -> Request:
        """A backend filters the admin list; a user reads one checkout, or all of its own."""
        if credentials.public_bearer is not None:
            one = f"checkouts/{path_segment(question.reference)}/fulfillment"
            path = "me/fulfillments" if question.reference == _ME else one
            bearer = credentials.public_bearer.get_secret_value()
            return Request("GET", f"{credentials.base_url}/v1/{path}", headers=_authorized(bearer))
        kind = "external_user_id" if question.reference.startswith(_USER) else "checkout_id"
        return Request(
            "GET",
            f"{credentials.base_url}/v1/admin/fulfillments",
            params={kind: question.reference.removeprefix(_USER)},
            headers=_authorized(access_token),
        )

    def read_status(self, question: OrderQuery, answer: Response) -> Outcome:
        """202 and 409 wait, and so does a 200 without tickets; a 200 with tickets has them."""
        if answer.status in {_ACCEPTED, _CONFLICT}:
            return NotReady(detail=f"HTTP {answer.status}")
        outcome = status_outcome(answer)
        if outcome is not None:
            return outcome
        records = read_records(read_json(answer))
        if isinstance(records, Malformed):
            return records
        if is_user_list(self, question.reference):
            return user_outcome(records, _user(question.reference), question)
        return checkout_outcome(records, question.reference, question.quantity)

    def listed_ticket_keys(self, question: OrderQuery, answer: Response) -> frozenset[str]:
        """All tickets of the user, of whatever age."""
        records = read_records(read_json(answer))
        return frozenset() if isinstance(records, Malformed) else ticket_keys_of(records, _user(question.reference))

    def token_requests(self, credentials: FuntripsCredentials) -> Mapping[str, Request]:
        """Client credentials for a backend, nothing for a public bearer."""
        return {} if credentials.headless else tokens.token_requests(credentials)

    def read_token(self, answer: Response) -> AccessToken | Unauthorized | Throttled | Unavailable:
        """The backend's bearer."""
        return tokens.read_token(answer)

    def list_request(
        self,
        credentials: FuntripsCredentials,
        access_token: str | None,
        since: float,  # noqa: ARG002 - the names of the time filters are not documented
    ) -> Request | None:
        """The admin list without a filter; a public bearer has no such list."""
        if credentials.headless:
            return None
        url = f"{credentials.base_url}/v1/admin/fulfillments"
        return Request("GET", url, headers=_authorized(access_token))

    def read_list(self, answer: Response) -> list[ListedOrder]:
        """What the list says of each checkout, all its records taken together."""
        if status_outcome(answer) is not None:
            return []
        records = read_records(read_json(answer))
        if isinstance(records, Malformed):
            return []
        by_checkout: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            checkout = as_text(record.get("checkout_id"))
            if checkout in by_checkout:
                by_checkout[checkout].append(record)
            elif checkout is not None and len(by_checkout) < _MOST_LISTED:
                by_checkout[checkout] = [record]
        return [
            ListedOrder(checkout, checkout_outcome(its_records, checkout))
            for checkout, its_records in by_checkout.items()
        ]


def _user(reference: str) -> str | None:
    """Return the user whom a reference names; `me` is whoever has the bearer."""
    return reference.removeprefix(_USER) if reference != _ME else None


def _authorized(bearer: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer or ''}"}


def _check_user(user: str) -> None:
    """The backend's own id of a user goes into a filter, so it may hold more than a path segment does."""
    if not user.strip() or len(user) > _LONGEST_USER or not user.isprintable():
        raise ValueError(f"must be 1 to {_LONGEST_USER} printable characters")
