"""Funtrips' fulfilment records: which there are, and what those of one order come to.

The answer's body is documented nowhere in full, so any likely form is taken. What a record says of its
lifecycle is inferred from the names of events; it never outweighs the guide's word that a 200 with tickets
has the tickets.

https://docs.funtrips.io · https://docs.funtrips.io/reference/adminlistuserfulfillmentorders
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any

from willcall.orders.outcomes import Cancelled, Declined, Issued, Malformed, NotReady, Outcome, PartlyIssued
from willcall.providers.adapters.funtrips.tickets import Contents, contents_of
from willcall.providers.reading import listed, text
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


def checkout_outcome(records: list[dict[str, Any]], checkout: str, hint: float | None) -> Outcome:
    """What the records of one checkout come to.

    A record that names another checkout is not ours, whatever filter was asked for. Only where all records
    say so is the order failed or cancelled.
    """
    ours = _of("checkout_id", checkout, records)
    if isinstance(ours, Malformed):
        return ours
    word = _words(ours)
    stages = {_stage(record) for record in ours}
    if stages == {_Stage.CANCELLED}:
        return Cancelled(reason="the checkout was cancelled", provider_status=word)
    contents = _contents(record for record in ours if _stage(record) is not _Stage.CANCELLED)
    if stages and stages <= _ENDED and not contents.tickets:
        return Declined(reason="the fulfilment failed", provider_status=word)
    if not contents.tickets:
        return _without_tickets(contents, stages, word, hint)
    if contents.unreadable or any(_is_open(record) for record in ours):
        detail = "a part of the order has no tickets"
        return PartlyIssued(contents.tickets, retry_after=hint, detail=detail, provider_status=word)
    return Issued(contents.tickets, provider_status=word)


def user_outcome(records: list[dict[str, Any]], user: str | None, quantity: int, hint: float | None) -> Outcome:
    """What the list of one user comes to: issued once it holds `quantity` tickets.

    It may hold other orders of the same user, so a failed or a cancelled record decides nothing.
    """
    ours = _of("external_user_id", user, records) if user is not None else records
    if isinstance(ours, Malformed):
        return ours
    word = _words(ours)
    contents = _contents(record for record in ours if _stage(record) not in _ENDED)
    if contents.count >= quantity:
        return Issued(contents.tickets, provider_status=word)
    if contents.tickets:
        return PartlyIssued(contents.tickets, expected=quantity, retry_after=hint, provider_status=word)
    return _without_tickets(contents, {_stage(record) for record in ours}, word, hint)


def _is_record(entry: object) -> bool:
    return isinstance(entry, dict) and not _RECORD_FIELDS.isdisjoint(entry)


def _is_open(record: Mapping[str, Any]) -> bool:
    """Whether a record beside others with tickets still owes some, or has lost them."""
    stage = _stage(record)
    return stage is _Stage.FAILED or (stage in {_Stage.WAITING, _Stage.UNKNOWN} and not contents_of(record).tickets)


def _without_tickets(
    contents: Contents, stages: set[_Stage], word: str | None, hint: float | None
) -> NotReady | Malformed:
    if contents.unreadable:
        return Malformed(detail="tickets without a code and without a PDF", provider_status=word)
    detail = "unknown status word" if _Stage.UNKNOWN in stages else "no tickets yet"
    return NotReady(retry_after=hint, detail=detail, provider_status=word)


def _of(name: str, value: str, records: list[dict[str, Any]]) -> list[dict[str, Any]] | Malformed:
    """The records that do not name another order."""
    ours = [record for record in records if text(record.get(name)) in {None, value}]
    return Malformed(detail="only records of other orders") if records and not ours else ours


def _contents(records: Iterable[Mapping[str, Any]]) -> Contents:
    """All tickets of the records; the PDF of one that waits and has none yet is no ticket."""
    parts = [
        contents_of(record)
        for record in records
        if _stage(record) is not _Stage.WAITING or listed(record.get("tickets"))
    ]
    return Contents(
        tickets=tuple(ticket for part in parts for ticket in part.tickets),
        count=sum(part.count for part in parts),
        unreadable=any(part.unreadable for part in parts),
    )


def _word(record: Mapping[str, Any]) -> str | None:
    return next((word for name in ("status", "state") if (word := status_word(record.get(name)))), None)


def _stage(record: Mapping[str, Any]) -> _Stage:
    word = _word(record)
    return _Stage.UNSAID if word is None else _STAGES.get(word.lower(), _Stage.UNKNOWN)


def _words(records: Iterable[Mapping[str, Any]]) -> str | None:
    """The words of all records, each once."""
    return status_word(", ".join(dict.fromkeys(word for record in records if (word := _word(record)))))
