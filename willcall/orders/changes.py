"""Which event a change of an order makes for its backend.

An order remembers a snapshot of what its backend was last notified of. Whatever differs from it is a change, whoever
made it and whenever it is noticed: a poll, a push, a downloaded document, or an account that was parked.

If several things change together, one event reports them all: that of the status, else `order.updated`, else
`order.attention`, else `order.at_risk`. Each event carries the whole order.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

from willcall.orders.model import Attention, DocumentKind, Order, Status, Ticket
from willcall.orders.serialization import document_schema, order_needs, ticket_to_json
from willcall.orders.ticket_documents import DOCUMENT_ERROR, lacks_document
from willcall.orders.ticket_identity import LISTED

_NONE = "-"
#: Members of a ticket that say nothing about it.
_IDS = frozenset({"id", "entrance_id"})
#: Kinds of tickets whose `url` is only where Willcall fetches the document.
_FILES = frozenset({"pdf", "image", "archive", "barcode", *(kind.value for kind in DocumentKind)})


class Update(StrEnum):
    """The types of events while the status stays. All others are `order.<status>`."""

    UPDATED = "order.updated"
    ATTENTION = "order.attention"
    AT_RISK = "order.at_risk"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a backend was last notified of, short enough for a field of the order's hash.

    `tickets` and `needs` are digests. The attention `undeliverable` is none here: it follows from the notification.
    """

    status: str
    tickets: str
    attention: str = _NONE
    needs: str = _NONE

    @classmethod
    def of(cls, order: Order) -> Self:
        """Return the snapshot of an order as it is."""
        attention, needs = order.attention, order_needs(order)
        return cls(
            order.status.value,
            _content_digest(order),
            attention.value if attention and attention is not Attention.UNDELIVERABLE else _NONE,
            _digest(needs.to_json()) if needs else _NONE,
        )

    @classmethod
    def last(cls, order: Order) -> Self:
        """Return what the order's backend was notified of last.

        An order without a snapshot had no event yet, or its last event is by release 0.2.0: one of its status.
        """
        if order.notified:
            return cls(*order.notified.split(" "))
        return cls(order.status.value, _content_digest(order))

    def __str__(self) -> str:
        return f"{self.status} {self.tickets} {self.attention} {self.needs}"


def event_type(last: Snapshot, current: Snapshot) -> str | None:
    """Return the type of the event that notifies a backend of all that is new, `None` if nothing is."""
    if current.status != last.status:
        # There is no `order.pending`: an order becomes that again only if its customer revives it.
        return Update.UPDATED if current.status == Status.PENDING else f"order.{current.status}"
    if current.tickets != last.tickets:
        return Update.UPDATED
    if (current.attention, current.needs) != (last.attention, last.needs):
        return Update.ATTENTION
    return None


def documents_awaited_until(order: Order, wait: float) -> float | None:
    """Return until when `order.fulfilled` waits for the files of the tickets, `None` if it does not.

    It waits for `wait` seconds from the end of the order, unless the backend was notified of it before or no file is
    missing any more.
    """
    if wait <= 0 or order.status is not Status.FULFILLED or order.finished_at is None:
        return None
    if Snapshot.last(order).status == order.status or not any(map(_lacks_file, order.tickets)):
        return None
    return order.finished_at + wait


def _lacks_file(ticket: Ticket) -> bool:
    return lacks_document(ticket) and DOCUMENT_ERROR not in ticket.extra


def _content_digest(order: Order) -> str:
    """Return a digest of the tickets and documents, whatever their sequence."""
    parts = [_visible(ticket_to_json(ticket)) for ticket in order.tickets]
    parts += [_visible({**document_schema(document).to_json(), "extra": {}}) for document in order.documents]
    return _digest(sorted(json.dumps(part, sort_keys=True) for part in parts))


def _visible(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a backend sees of a ticket or document, without what changes although the ticket does not.

    An address of a file may be signed anew in each answer; the backend gets the file itself. A field without a value
    is left out, so that a release with more fields changes no digest.
    """
    seen = {name: value for name, value in ticket.items() if name not in _IDS and value not in (None, {}, [])}
    if seen.get("covers") == 1:
        del seen["covers"]
    seen["extra"] = {name: value for name, value in ticket["extra"].items() if name != LISTED}
    if ticket["document"]:
        seen.pop("url", None)
    elif ticket["url"] and ticket["kind"] in _FILES:
        seen["url"] = ticket["url"].partition("?")[0]
    return seen


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
