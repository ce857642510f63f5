"""Funtrips' fulfilment records: which there are, and what those of one order come to.

The answer's body is documented nowhere in full, so any likely form is taken. What a record says of its
lifecycle is inferred from the names of events; it never outweighs the guide's word that a 200 with tickets
has the tickets.

https://docs.funtrips.io · https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from willcall.orders.model import Ticket
from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets, admits_someone, without_duplicates
from willcall.orders.user_lists import Purchase, select_tickets, ticket_keys
from willcall.providers.base import OrderQuery
from willcall.providers.dates import created_before, is_older, issued_at
from willcall.providers.funtrips.tickets import Contents, contents_of, contents_of_all
from willcall.providers.reading import as_list, as_text
from willcall.providers.safe import status_word

_LISTS = ("items", "data", "results", "fulfillments")
#: A record has at least one of these; anything else is none.
_RECORD_FIELDS = {"tickets", "pdf_url", "status", "state", "checkout_id", "external_user_id"}


class _Stage(Enum):
    WAITING = auto()
    COMPLETED = auto()
    FAILED = auto()
    CANCELLED = auto()
    UNKNOWN = auto()
    UNSAID = auto()


#: https://docs.funtrips.io/reference/confirmfulfillment
_STAGES = {
    "pending": _Stage.WAITING,
    "confirmed": _Stage.WAITING,
    "completed": _Stage.COMPLETED,
    "failed": _Stage.FAILED,
    "cancelled": _Stage.CANCELLED,
    "canceled": _Stage.CANCELLED,
}
_ENDED = {_Stage.FAILED, _Stage.CANCELLED}


def read_records(body: object) -> list[dict[str, Any]] | Malformed:
    """A record, a list of records, or an object with such a list; an empty list is no record yet."""
    if isinstance(body, Malformed):
        return body
    if isinstance(body, dict):
        inner = () if "tickets" in body else (body[name] for name in _LISTS if isinstance(body.get(name), list))
        body = next(iter(inner), [body])
    if not isinstance(body, list) or not all(_is_record(entry) for entry in body):
        return Malformed(detail="no fulfilment records in the answer")
    return body


def checkout_outcome(records: list[dict[str, Any]], checkout: str, quantity: int | None = None) -> Outcome:
    """Return what the records of one checkout come to.

    A record that names another checkout is not ours, whatever filter was asked for. Only where all records
    say so is the order failed or cancelled. A 200 has the tickets, so they are not counted, for one may be a group's.
    But where a ticket is there repeatedly, and without that there are fewer than the caller's `quantity`, some are
    missing.
    """
    ours = _of("checkout_id", checkout, records)
    if isinstance(ours, Malformed):
        return ours
    word = _words(ours)
    stages = {_stage(record) for record in ours}
    if stages == {_Stage.CANCELLED}:
        return Cancelled(reason="the checkout was cancelled", provider_status=word)
    contents = contents_of_all(_with_tickets(record for record in ours if _stage(record) is not _Stage.CANCELLED))
    if not contents.count:
        failed = stages and stages <= _ENDED
        declined = Declined(reason="the fulfilment failed", provider_status=word)
        return declined if failed else _without_tickets(contents, stages, word)
    missing = _missing(contents, ours, quantity)
    if missing is None:
        return Issued(contents.everything, provider_status=word)
    return PartlyIssued(contents.everything, quantity, detail=missing, provider_status=word)


def _missing(contents: Contents, records: list[dict[str, Any]], quantity: int | None) -> str | None:
    """Return what of a checkout with tickets is not here yet, `None` where all is."""
    if contents.unreadable or any(_is_open(record) for record in records):
        return "a part of the order has no tickets"
    if contents.repeated and contents.count < (quantity or 0):
        return f"{contents.count} of {quantity} tickets"
    return None


def user_outcome(records: list[dict[str, Any]], user: str | None, question: OrderQuery) -> Outcome:
    """Return what the list of one user comes to: issued once it holds as many tickets of the order's own as it bought.

    It holds other orders of the same user too. So a failed or a cancelled record decides nothing, and what is older
    than the order or another's does not count.
    """
    ours = _of("external_user_id", user, records) if user is not None else records
    if isinstance(ours, Malformed):
        return ours
    word, quantity = _words(ours), question.quantity or 1
    recent = [r for r in ours if _stage(r) not in _ENDED and not _older(r, question.bought_at)]
    found = [(record, contents_of_all([record], question.bought_at)) for record in _with_tickets(recent)]
    purchases = [Purchase(contents.tickets, issued_at(record)) for record, contents in found]
    own = select_tickets(purchases, quantity, question.ownership)
    tickets = without_duplicates((*own, *_files_of(own, found)))
    count = count_admissions(own)
    if count >= quantity:
        return Issued(tickets, provider_status=word)
    if count:
        detail = f"{count} of {quantity} tickets"
        return PartlyIssued(tickets, quantity, detail=detail, provider_status=word)
    contents = contents_of_all(record for record, _ in found)
    return _without_tickets(replace(contents, tickets=()), {_stage(record) for record in recent}, word)


def ticket_keys_of(records: list[dict[str, Any]], user: str | None) -> frozenset[str]:
    """Return what identifies all tickets in the list of one user."""
    ours = _of("external_user_id", user, records) if user is not None else records
    return frozenset() if isinstance(ours, Malformed) else ticket_keys(contents_of_all(ours).tickets)


def _files_of(own: Tickets, found: list[tuple[dict[str, Any], Contents]]) -> list[Ticket]:
    """Return the PDFs of those records whose tickets are all the order's own."""
    whole = (contents for _, contents in found if all(one in own for one in contents.tickets if admits_someone(one)))
    return [file for contents in whole for file in contents.files]


def _older(record: Mapping[str, Any], bought_at: float) -> bool:
    return is_older(record, bought_at) or created_before(record, bought_at)


def _is_record(entry: object) -> bool:
    return isinstance(entry, dict) and not _RECORD_FIELDS.isdisjoint(entry)


def _is_open(record: Mapping[str, Any]) -> bool:
    """Whether a record beside others with tickets still owes some, or has lost them."""
    stage = _stage(record)
    return stage is _Stage.FAILED or (stage in {_Stage.WAITING, _Stage.UNKNOWN} and not contents_of(record).everything)


def _without_tickets(contents: Contents, stages: set[_Stage], word: str | None) -> NotReady | Malformed:
    if contents.unreadable:
        return Malformed(detail="tickets without a code and without a PDF", provider_status=word)
    detail = "unknown status word" if _Stage.UNKNOWN in stages else "no tickets yet"
    return NotReady(detail=detail, provider_status=word)


def _of(name: str, value: str, records: list[dict[str, Any]]) -> list[dict[str, Any]] | Malformed:
    """The records that do not name another order."""
    ours = [record for record in records if as_text(record.get(name)) in {None, value}]
    return Malformed(detail="only records of other orders") if records and not ours else ours


def _with_tickets(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records that hold tickets; the PDF of one that waits and has none yet is no ticket."""
    return [record for record in records if _stage(record) is not _Stage.WAITING or as_list(record.get("tickets"))]


def _word(record: Mapping[str, Any]) -> str | None:
    return next((word for name in ("status", "state") if (word := status_word(record.get(name)))), None)


def _stage(record: Mapping[str, Any]) -> _Stage:
    word = _word(record)
    return _Stage.UNSAID if word is None else _STAGES.get(word.lower(), _Stage.UNKNOWN)


def _words(records: Iterable[Mapping[str, Any]]) -> str | None:
    """The words of all records, each once."""
    return status_word(", ".join(dict.fromkeys(word for record in records if (word := _word(record)))))
