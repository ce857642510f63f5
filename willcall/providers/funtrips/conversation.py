"""The requests about one order: its list page by page, then the checkouts of which the list lacks something.

Lists have the tickets but no PDFs, which only the call for one checkout has. By the guide that is the same list,
filtered by `checkout_id`, or `/v1/checkouts/<checkout_id>/fulfillment` with a public bearer.

https://docs.funtrips.io · https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import pairwise
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Issued, Malformed, Outcome, PartlyIssued
from willcall.orders.ticket_identity import Tickets, admits_someone, identity_marks
from willcall.providers.base import OrderQuery
from willcall.providers.conversations import Answer, Conversation, Step, fetch, find_owners
from willcall.providers.funtrips.merging import add_details, join_pages
from willcall.providers.funtrips.outcomes import (
    checkout_outcome,
    own_tickets,
    recent_records,
    user_outcome,
    user_ticket_keys,
)
from willcall.providers.funtrips.records import Record, of_checkout, of_user, read_page
from willcall.providers.path_segments import check_path_segment
from willcall.providers.reading import status_outcome

#: Most pages and records of one list, and most calls for single checkouts in one attempt.
MOST_PAGES, MOST_RECORDS, MOST_CHECKOUTS = 50, 1_000, 20
#: The parameter in which the cursor of the next page is sent.
CURSOR = "cursor"
#: Responses to a cursor that is none.
_NO_SUCH_PAGE = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY}

_UNREAD_PAGES = "not all pages of the list could be read"
_UNREAD_FILES = "the PDFs could not be looked up"


@dataclass(frozen=True, slots=True)
class Listing:
    """The records of a list. `unread`: some of its pages could not be read in this attempt."""

    records: Sequence[Record]
    unread: bool = False


@dataclass(slots=True)
class _Details:
    """What the calls for single checkouts show, by checkout. `unread`: one of them had no usable answer."""

    records: dict[str, Sequence[Record]] = field(default_factory=dict)
    unread: bool = False


def talk_about_checkout(query: OrderQuery, request: Request, response: Response) -> Conversation:
    """Read all pages of one checkout's list, whose first `request` had the `response`."""
    listing = yield from _read_pages(request, response)
    if isinstance(listing, Malformed):
        return listing
    unread = _UNREAD_PAGES if listing.unread else None
    return checkout_outcome(listing.records, query.reference, query.quantity, unread=unread)


@dataclass(frozen=True, slots=True)
class UserTalk:
    """Reads a user's list, and the order's own checkouts in it.

    `user` is `None` for the owner of the bearer. `checkout_request` returns the request for one checkout.
    """

    query: OrderQuery
    user: str | None
    checkout_request: Callable[[str], Request]

    def hold(self, request: Request, response: Response) -> Conversation:
        """Hold the conversation, whose first `request` had the `response`."""
        listing = yield from _read_pages(request, response, self.query.bought_at)
        if isinstance(listing, Malformed):
            return listing
        records, details = listing.records, _Details()
        lacking = [record for record in self._recent(records) if record.is_incomplete]
        records = yield from self._look_up(lacking, records, details)
        query = yield from self._with_owners(records)
        without_files = self._without_files(records, query)
        if without_files:
            records = yield from self._look_up(without_files, records, details)
            query = yield from self._with_owners(records)
        unread = _UNREAD_PAGES if listing.unread else _UNREAD_FILES if details.unread else None
        outcome = user_outcome(records, self.user, query, unread=unread)
        return _held_back(outcome, query) if details.unread else outcome

    def _recent(self, records: Sequence[Record]) -> list[Record]:
        ours = of_user(self.user, records)
        return [] if isinstance(ours, Malformed) else recent_records(ours, self.query)

    def _with_owners(self, records: Sequence[Record]) -> Generator[Step, Answer, OrderQuery]:
        owners = yield from find_owners(user_ticket_keys(records, self.user))
        return replace(self.query, ownership=owners)

    def _without_files(self, records: Sequence[Record], query: OrderQuery) -> list[Record]:
        """Return the records with tickets of the order of which neither this list nor an earlier answer has a PDF."""
        own, found = own_tickets(self._recent(records), query)
        mine = {mark for ticket in own for mark in identity_marks(ticket)}
        stored = {mark for ticket in query.present if ticket.document for mark in identity_marks(ticket)}

        def lacks_file(tickets: Tickets) -> bool:
            marks = (identity_marks(ticket) for ticket in tickets if admits_someone(ticket) and not ticket.url)
            return any(mine & each and not stored & each for each in marks)

        return [record for record, listed in found if not listed.documents and lacks_file(listed.tickets)]

    def _look_up(
        self, lacking: Iterable[Record], records: Sequence[Record], details: _Details
    ) -> Generator[Step, Answer, Sequence[Record]]:
        """Read the checkouts of records, each once, and return all records with what that shows."""
        new: dict[str, Sequence[Record]] = {}
        for checkout in dict.fromkeys(filter(None, (record.checkout for record in lacking))):
            if checkout in details.records or len(details.records) >= MOST_CHECKOUTS or not _is_segment(checkout):
                continue
            found = yield from self._read_checkout(checkout)
            details.unread = details.unread or found is None
            details.records[checkout] = new[checkout] = found or []
        return add_details(records, new)

    def _read_checkout(self, checkout: str) -> Generator[Step, Answer, Sequence[Record] | None]:
        """Return the records of one checkout, or `None` if there is no usable answer now."""
        request = self.checkout_request(checkout)
        response = yield from fetch(request)
        if response is None:
            return None
        if response.status == HTTPStatus.NOT_FOUND:
            return []
        if status_outcome(response) is not None:
            return None
        listing = yield from _read_pages(request, response)
        if isinstance(listing, Malformed):
            return None
        ours = of_checkout(checkout, listing.records)
        ours = ours if isinstance(ours, Malformed) else of_user(self.user, ours)
        return None if isinstance(ours, Malformed) else ours


def _held_back(outcome: Outcome, query: OrderQuery) -> Outcome:
    """Return the outcome; but once, the order waits for PDFs that could not be looked up now.

    Its tickets can be used without, so it is complete as soon as an earlier answer has shown them all.
    """
    if not isinstance(outcome, Issued):
        return outcome
    shown = {mark for ticket in query.present for mark in identity_marks(ticket)}
    if all(shown & identity_marks(ticket) for ticket in outcome.tickets):
        return outcome
    return PartlyIssued(
        outcome.tickets,
        query.quantity,
        detail=_UNREAD_FILES,
        provider_status=outcome.provider_status,
        documents=outcome.documents,
    )


def _read_pages(
    request: Request, response: Response, bought_at: float | None = None
) -> Generator[Step, Answer, Listing | Malformed]:
    """Read a list from its first response on, until the last page or one that only has records from before an order."""
    page = read_page(response)
    if isinstance(page, Malformed):
        return page
    pages, sent = [page.records], {request.address}
    while page.next is not None and len(pages) < MOST_PAGES and sum(map(len, pages)) < MOST_RECORDS:
        if bought_at is not None and _is_past(pages, bought_at):
            break
        following = next_request(request, page.next)
        if following is None:
            return Listing(join_pages(pages), unread=True)
        if following.address in sent:
            break
        sent.add(following.address)
        answer = yield from fetch(following)
        if answer is not None and not page.is_certain and answer.status in _NO_SUCH_PAGE:
            break
        read = read_page(answer) if answer is not None and status_outcome(answer) is None else None
        if read is None or isinstance(read, Malformed):
            return Listing(join_pages(pages), unread=True)
        page = read
        pages.append(page.records)
    return Listing(join_pages(pages))


def next_request(request: Request, following: str) -> Request | None:
    """Return the request for the page after the one with `request`, or `None` if its address is none.

    `following` is a cursor, or an address to which the filter is added if it lacks that. The caller sends nothing to
    addresses of others.
    """
    params = request.params or {}
    if not following.lower().startswith(("https://", "http://", "/", "?")):
        return replace(request, params={**params, CURSOR: following})
    try:
        url = urljoin(request.url, following)
        parts = urlsplit(url)
    except ValueError:
        return None
    if ".." in unquote(parts.path).split("/") or parts.fragment:
        return None
    given = parse_qs(parts.query, keep_blank_values=True)
    return replace(request, url=url, params={name: value for name, value in params.items() if name not in given})


def _is_past(pages: Sequence[Sequence[Record]], bought_at: float) -> bool:
    """Return whether all further records must be older than an order: lists are sorted, the newest first.

    https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
    """
    times = [record.changed_at for records in pages for record in records]
    known = [at for at in times if at is not None]
    is_sorted = len(known) == len(times) and all(one >= two for one, two in pairwise(known))
    return is_sorted and bool(pages[-1]) and all(record.is_older(bought_at) for record in pages[-1])


def _is_segment(checkout: str) -> bool:
    try:
        check_path_segment(checkout)
    except ValueError:
        return False
    return True
