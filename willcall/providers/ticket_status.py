"""What providers' words for the status of a single ticket mean."""

from willcall.orders.model import TicketStatus

_VALID = {"valid"}
_USED = {"used", "scanned", "redeemed"}
#: A transferred ticket is replaced by a new one with a barcode of its own.
#: https://shopping-api-docs.paylogic.com/documentation/transfer_approvals.html
_VOID = {
    *("cancelled", "canceled", "void", "voided", "invalid", "invalidated", "revoked", "annulled"),
    *("transferred", "transfered", "replaced", "exchanged", "resold", "refunded"),
}
CANCELLED = {"cancelled", "canceled"}


def ticket_status(word: str | None) -> TicketStatus | None:
    """Return what a ticket's status word means, `None` for one that is not known. Without a word it is valid."""
    plain = (word or "valid").lower()
    if plain in _VOID:
        return TicketStatus.VOID
    if plain in _USED:
        return TicketStatus.USED
    return TicketStatus.VALID if plain in _VALID else None
