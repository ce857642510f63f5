"""Store the files that a response contains."""

from dataclasses import replace

import structlog

from willcall.orders.model import Ticket
from willcall.orders.outcomes import Issued, Malformed, NotReady, PartlyIssued
from willcall.orders.ticket_documents import attach_file, inline_file
from willcall.orders.ticket_identity import DIGEST
from willcall.stores.documents import StorageError, UnsupportedFileError
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: Seconds, beyond storing all files, after which a worker counts as dead.
_LEASE_MARGIN = 5.0


def store_inline_files(
    context: Context, order_id: str, claim_id: str, outcome: Issued | PartlyIssued
) -> Issued | PartlyIssued | NotReady | Malformed:
    """Return the outcome with the files of its tickets stored, and out of their URLs.

    If they cannot be stored now, the tickets do not count yet: the provider still has them and is polled again. The
    attempt's lease is extended before anything is stored.
    """
    files = sum(inline_file(ticket) is not None for ticket in outcome.tickets)
    if not files:
        return outcome
    word = outcome.provider_status
    if not context.stores.polls.extend_lease(order_id, claim_id, files * context.documents.patience + _LEASE_MARGIN):
        return NotReady(provider_status=word, detail="another worker polls the order")
    try:
        return replace(outcome, tickets=tuple(_stored(context, order_id, ticket) for ticket in outcome.tickets))
    except UnsupportedFileError as error:
        return Malformed(provider_status=word, detail=f"a file in the response is {error}")
    except StorageError as error:
        log.warning("documents not stored", order=order_id, error=error)
        return NotReady(provider_status=word, detail=f"documents cannot be stored: {error}")


def _stored(context: Context, order_id: str, ticket: Ticket) -> Ticket:
    content = inline_file(ticket)
    if content is None:
        return ticket
    document = context.documents.put(content, order_id)
    return attach_file(replace(ticket, url=None, extra={**ticket.extra, DIGEST: document.sha256}), document.ticket_file)
