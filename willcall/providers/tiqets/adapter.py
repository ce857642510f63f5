"""The Tiqets adapter (Distributor API v2).

https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from willcall.http.messages import Request, Response
from willcall.orders.model import Ticket, TicketKind
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, Missing, NotReady, Outcome
from willcall.orders.policy import PollPolicy, Rate
from willcall.providers.base import AccountDefaults, Credentials, OrderQuery, ProviderUrl
from willcall.providers.plain import NoList, NoOAuth, NoSecretReferences, NoUserLists
from willcall.providers.pushes import PushCredentials, Pushes
from willcall.providers.reading import as_text, as_web_url, extra_fields, read_object, status_outcome
from willcall.providers.safe import HeaderSecret, check_path_segment, path_segment, status_word
from willcall.providers.tiqets.pushes import TiqetsPushes

#: Words that wait, with what they mean. `processing` is an older one.
#: https://developers.tiqets.dev/basics/openapi/booking-api/get-order-information
_WAITING = {
    "new": "the order is not confirmed yet",
    "pending": "being fulfilled",
    "processing": "being fulfilled",
}
#: The guide writes one `l`, the list of words two.
_CANCELLED = {"cancelled", "canceled"}
_EXTRA = ("how_to_use", "post_purchase")


class TiqetsCredentials(PushCredentials):
    """An account at Tiqets: the partner's API key, and the secret part of its callbacks' address."""

    base_url: ProviderUrl = "https://api.tiqets.com/v2"
    api_key: HeaderSecret


class TiqetsAdapter(NoOAuth, NoList, NoSecretReferences, NoUserLists):
    """Reads one order's status and the address of the PDF with all its tickets."""

    name: ClassVar[str] = "tiqets"
    credentials: ClassVar[type[Credentials]] = TiqetsCredentials
    shortest_interval: ClassVar[float] = 0.0
    #: Fair use is all that is stated; ten a second stays below the fifteen at which partners met a 429.
    #: The back-off grows to the upper end of the 5 to 10 minutes that the guide suggests.
    #: https://developers.tiqets.dev/basics/openapi/booking-api/retrieve-tickets
    defaults: ClassVar[AccountDefaults] = AccountDefaults(
        rate=Rate(limit=10, period=1, burst=10),
        polling=PollPolicy(initial=5, cap=600),
    )

    pushes: ClassVar[Pushes | None] = TiqetsPushes()

    def check_reference(
        self,
        reference: str,
        credentials: TiqetsCredentials,  # noqa: ARG002 - the protocol's signature
    ) -> None:
        """The order reference id is one path segment."""
        try:
            check_path_segment(reference)
        except ValueError as error:
            raise ValueError(f"order reference id {error}") from None

    def status_request(
        self,
        question: OrderQuery,
        credentials: TiqetsCredentials,
        access_token: str | None,  # noqa: ARG002 - the protocol's signature
    ) -> Request:
        """`GET {base_url}/orders/<reference>/tickets?lang=`, English where the order names no language."""
        return Request(
            "GET",
            f"{credentials.base_url}/orders/{path_segment(question.reference)}/tickets",
            params={"lang": question.language or "en"},
            headers={"Authorization": f"Token {credentials.api_key.get_secret_value()}"},
        )

    def read_status(self, question: OrderQuery, answer: Response) -> Outcome:
        """The order's status word, once HTTP and the body agree that there is one."""
        outcome = status_outcome(answer)
        if outcome is not None:
            return outcome
        body = read_object(answer)
        if isinstance(body, Malformed):
            return body
        return _error(body, question) or _read_word(body)


def _error(body: Mapping[str, Any], question: OrderQuery) -> Outcome | None:
    """An error that came with HTTP 200, or another order's tickets; None where neither is the case.

    https://developers.tiqets.dev/basics/error-handling
    """
    if body.get("success") is False:
        if body.get("error_code") == "not_found":
            return Missing(detail="error code not_found")
        return Malformed(detail="the answer states an error")
    other = as_text(body.get("order_reference_id"))
    if other is not None and other != question.reference:
        return Malformed(detail="the answer is about another order")
    return None


def _read_word(body: Mapping[str, Any]) -> Outcome:
    word = status_word(body.get("order_status"))
    if word is None:
        return Malformed(detail="no order_status in the answer")
    status = word.lower()
    if status == "failed":
        return Declined(reason="the order failed and cannot be fulfilled", provider_status=word)
    if status in _CANCELLED:
        return Cancelled(reason="the order was cancelled", provider_status=word)
    if status == "done":
        return _read_done(body, word)
    detail = _WAITING.get(status, "unknown status word")
    return NotReady(detail=detail, provider_status=word)


def _read_done(body: Mapping[str, Any], word: str) -> Outcome:
    """The PDF's address is null until the order is done; we wait for it should the word come first."""
    url = as_web_url(body.get("tickets_pdf_url"))
    if url is None:
        detail = "done, but there is no PDF yet"
        return NotReady(detail=detail, provider_status=word)
    extra = extra_fields({name: body.get(name) for name in _EXTRA})
    return Issued((Ticket(TicketKind.PDF, url=url, extra=extra),), provider_status=word)
