"""The Funtrips adapter: fulfilments by checkout or by user, from a backend (OAuth) or with a public bearer (headless).

https://docs.funtrips.io ("Fetching Tickets (Fulfillment)")
"""

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, NotReady, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.serialization import rfc3339
from willcall.providers.base import AccountDefaults, Adapter, ListedOrder, OrderQuery
from willcall.providers.conversations import Conversation, fetch
from willcall.providers.funtrips.conversation import UserTalk, next_request, talk_about_checkout
from willcall.providers.funtrips.credentials import FuntripsCredentials, FuntripsOAuth
from willcall.providers.funtrips.outcomes import checkout_outcome, user_outcome, user_ticket_keys
from willcall.providers.funtrips.records import Record, read_page
from willcall.providers.path_segments import check_reference_segment, path_segment
from willcall.providers.reading import status_outcome

#: The HTTP statuses that mean "not ready". The guide has 202, the reference pages 409.
#: https://docs.funtrips.io/reference/admingetuserfulfillmentordertickets
_NOT_READY = {202, 409}

_USER = "user:"
_ME = "me"
_LONGEST_USER = 255
#: Most orders that are read from one list.
_MOST_LISTED = 1_000
#: Seconds from the beginning of a time window to its end.
_WINDOW = 2 * 86_400.0


class FuntripsListing:
    """Lists the fulfilments of a time window; only for backends whose account names its parameters."""

    def list_request(
        self, credentials: FuntripsCredentials, access_token: str | None, since: float, /
    ) -> Request | None:
        """Filter the admin list by time, or return `None`: the guide has this call "with filters" only.

        The other documented filters are of one checkout and of one user.
        """
        if credentials.headless or not credentials.since_parameter:
            return None
        window = {credentials.since_parameter: rfc3339(since) or ""}
        if credentials.until_parameter:
            window[credentials.until_parameter] = rfc3339(since + _WINDOW) or ""
        url = f"{credentials.base_url}/v1/admin/fulfillments"
        return Request("GET", url, params=window, headers=_authorized(access_token))

    def read_list(self, response: Response, /) -> list[ListedOrder]:
        """Return each checkout of a page, with the outcome of its records there."""
        page = read_page(response)
        if status_outcome(response) is not None or isinstance(page, Malformed):
            return []
        by_checkout: dict[str, list[Record]] = {}
        for record in page.records:
            checkout = record.checkout
            if checkout in by_checkout:
                by_checkout[checkout].append(record)
            elif checkout is not None and len(by_checkout) < _MOST_LISTED:
                by_checkout[checkout] = [record]
        return [ListedOrder(checkout, checkout_outcome(its, checkout)) for checkout, its in by_checkout.items()]

    def next_page(self, request: Request, response: Response, /) -> Request | None:
        """Follow the cursor or the address of the next page, and keep the time window."""
        page = read_page(response)
        if isinstance(page, Malformed) or page.next is None:
            return None
        return next_request(request, page.next)


class FuntripsUserLists:
    """All fulfilments of one user: `user:<external_user_id>` with OAuth, `me` with a public bearer."""

    references: tuple[str, ...] = (_USER, _ME)

    def ticket_keys(self, query: OrderQuery, response: Response, /) -> frozenset[str]:
        """Return the keys of all tickets of the user, of any age."""
        page = read_page(response)
        return frozenset() if isinstance(page, Malformed) else user_ticket_keys(page.records, _user(query.reference))


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
        """Ask about an order: all pages of its list, and in a user's list the checkouts that it shows in part."""
        request = self.status_request(query, credentials, access_token)
        response = yield from fetch(request)
        if response is None:
            raise ValueError("the first request of a conversation has a response")
        outcome = _not_ready(response)
        if outcome is not None:
            return outcome
        if not self.is_user_list(query.reference):
            return (yield from talk_about_checkout(query, request, response))

        def checkout_request(checkout: str) -> Request:
            return self.status_request(OrderQuery(checkout), credentials, access_token)

        talk = UserTalk(query, _user(query.reference), checkout_request)
        return (yield from talk.hold(request, response))

    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Read one response, the last page of its list: a 200 with tickets has them all."""
        outcome = _not_ready(response)
        if outcome is not None:
            return outcome
        page = read_page(response)
        if isinstance(page, Malformed):
            return page
        if self.is_user_list(query.reference):
            return user_outcome(page.records, _user(query.reference), query)
        return checkout_outcome(page.records, query.reference, query.quantity)


def _not_ready(response: Response) -> Outcome | None:
    """Return the outcome of a response without records, by its HTTP status."""
    if response.status in _NOT_READY:
        return NotReady(detail=f"HTTP {response.status}")
    return status_outcome(response)


def _user(reference: str) -> str | None:
    """Return the user whom a reference names, or `None` for `me`, the owner of the bearer."""
    return reference.removeprefix(_USER) if reference != _ME else None


def _check_user(user: str) -> None:
    """Raise ValueError for an impossible user id. It is sent in a filter, not in the path."""
    if not user.strip() or len(user) > _LONGEST_USER or not user.isprintable():
        raise ValueError(f"external_user_id must be 1 to {_LONGEST_USER} printable characters")


def _authorized(bearer: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer or ''}"}
