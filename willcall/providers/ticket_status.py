"""The meaning of providers' words for the status of a single ticket."""

from collections.abc import Mapping

from willcall.orders.model import TicketStatus

#: Each word in lower case. A transferred ticket is replaced by a new one with a barcode of its own.
#: https://shopping-api-docs.paylogic.com/documentation/transfer_approvals.html
TICKET_STATUSES: Mapping[str, TicketStatus] = {
    "valid": TicketStatus.VALID,
    **dict.fromkeys(("used", "scanned", "redeemed"), TicketStatus.USED),
    **dict.fromkeys(("cancelled", "canceled", "void", "voided", "invalid", "invalidated"), TicketStatus.VOID),
    **dict.fromkeys(("revoked", "annulled", "transferred", "transfered", "replaced"), TicketStatus.VOID),
    **dict.fromkeys(("exchanged", "resold", "refunded"), TicketStatus.VOID),
}
CANCELLED = {"cancelled", "canceled"}


def ticket_status(word: str | None) -> TicketStatus | None:
    """Return what a ticket's status word means, or `None` if it is unknown. Without a word the ticket is valid."""
    return TICKET_STATUSES.get((word or "valid").lower())
