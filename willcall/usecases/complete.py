"""Complete an order by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Annotated

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from willcall.orders.completion import complete, count_by_hand, ticket_of_code, ticket_of_file, ticket_of_url
from willcall.orders.errors import ClosedOrderError, ErasedOrderError, FieldError, RejectedOrderError
from willcall.orders.history import Action, Actor, timeline_entry
from willcall.orders.model import Order, Status, Ticket
from willcall.orders.submission import check_printable, check_web_url, field_errors_of
from willcall.orders.ticket_documents import missing_document_urls
from willcall.stores.commits import Commit, OwnedByAnotherOrderError
from willcall.stores.documents import MAX_BYTES, ErasedOwnerError, UnsupportedFileError
from willcall.usecases.commit import next_message, write_commit
from willcall.usecases.context import Context
from willcall.usecases.documents import FIRST_WAIT
from willcall.usecases.orders import get_unerased_order

log = structlog.get_logger(__name__)

#: Most files, codes and addresses of one call.
MAX_TICKETS = 50
#: Most tickets that an order gets by hand in all calls: each of its events has all of them.
MOST_ADDED = 500
_CHUNK = 256 * 1_024

Code = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_096), AfterValidator(check_printable)
]
Url = Annotated[str, StringConstraints(max_length=4_096), AfterValidator(check_web_url)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(check_printable)]


class _Words(BaseModel):
    """What is given besides files."""

    model_config = ConfigDict(hide_input_in_errors=True)

    code: list[Code] = Field(default=[], max_length=MAX_TICKETS)
    url: list[Url] = Field(default=[], max_length=MAX_TICKETS)
    note: Note = ""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file by the name that its sender gave it."""

    name: str
    content: IO[bytes]


@dataclass(frozen=True, slots=True)
class NewTickets:
    """The tickets that somebody adds, and a note for the order's timeline."""

    files: Sequence[UploadedFile] = ()
    codes: Sequence[str] = field(default=(), repr=False)
    urls: Sequence[str] = field(default=(), repr=False)
    note: str = ""


def complete_order(context: Context, order_id: str, new: NewTickets, actor: Actor) -> bool:
    """Make an order `fulfilled` with the tickets that it has and the `new` ones; tell its backend.

    Returns False if that changes nothing, as when it is repeated. Raises UnknownOrderError; RejectedOrderError for
    invalid tickets, or if there is no ticket at all; ClosedOrderError if the order was erased or a ticket belongs to
    another order; and StorageError.
    """
    words = _checked(new)
    order = get_unerased_order(context, order_id)
    if not (order.tickets or new.files or words.code or words.url):
        why = "the order has no ticket yet; give at least one file, code or URL"
        raise RejectedOrderError([FieldError("file", why)])
    tickets = [*_stored(context, order_id, new.files), *map(ticket_of_code, words.code), *map(ticket_of_url, words.url)]
    while True:
        now = context.stores.accounts.now()
        after = complete(order, tickets, actor.ended_by, now)
        if after == order:
            return False
        if count_by_hand(after) > MOST_ADDED:
            raise RejectedOrderError([FieldError("", f"an order can get at most {MOST_ADDED} tickets by hand")])
        if _settle(context, order, after, actor, words.note):
            log.info("completed", order=order_id, account=order.account_key, tickets=len(after.tickets), by=actor.name)
            return True
        order = get_unerased_order(context, order_id)


def _checked(new: NewTickets) -> _Words:
    if len(new.files) > MAX_TICKETS:
        raise RejectedOrderError([FieldError("file", f"must have at most {MAX_TICKETS} files")])
    try:
        return _Words(code=[*new.codes], url=[*new.urls], note=new.note)
    except ValidationError as error:
        raise RejectedOrderError(field_errors_of(error)) from None


def _stored(context: Context, order_id: str, files: Iterable[UploadedFile]) -> list[Ticket]:
    """Store files for an order and return their tickets. A file that is stored twice is one document."""
    tickets = []
    for file in files:
        with context.documents.draft() as draft:
            while draft.tell() <= MAX_BYTES and (chunk := file.content.read(_CHUNK)):
                draft.write(chunk)
            try:
                document = context.documents.put(draft, order_id)
            except UnsupportedFileError as error:
                raise RejectedOrderError([FieldError("file", f"{file.name[:100]} is {error}")]) from None
            except ErasedOwnerError:
                raise ErasedOrderError(order_id) from None
        tickets.append(ticket_of_file(document.ticket_file, document.sha256))
    return tickets


def _settle(context: Context, before: Order, after: Order, actor: Actor, note: str) -> bool:
    """Write the completed order. Returns False if another step changed it first."""
    count = f"{len(after.tickets)} ticket{'' if len(after.tickets) == 1 else 's'}"
    from_status = f"was {before.status}" if before.status is not Status.FULFILLED else ""
    detail = "; ".join(filter(None, [count, from_status, note]))
    commit = Commit(
        before=before,
        after=after,
        attempt=timeline_entry(Action.COMPLETED, actor, context.stores.accounts.now(), detail),
        tickets=after.tickets != before.tickets,
        keep_schedule=before.status is after.status,
        fetch_in=FIRST_WAIT if missing_document_urls(after.tickets) else None,
    )
    try:
        due = write_commit(context, commit)
    except OwnedByAnotherOrderError:
        raise ClosedOrderError(f"another order of account {before.account_key} has one of these tickets") from None
    if due is None:
        return False
    message = next_message(commit, due)
    context.send_polls(after.account_key, [message] if message else [])
    return True
