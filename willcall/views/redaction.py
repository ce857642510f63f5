"""How people see ticket codes, and references that grant access to tickets: with only the last characters.

The board shows all of a code on request, and JSON always does, because backends need it.
"""

from willcall.orders.model import Order
from willcall.providers.registry import is_secret_reference

#: Last characters of a redacted code that are shown.
_SHOWN = 3
REDACTED = "•••"


def redacted(text: str) -> str:
    """Return the last characters of a code, for comparison."""
    return REDACTED + text[-_SHOWN:] if len(text) > 2 * _SHOWN else REDACTED


def visible_reference(provider: str, reference: str) -> str:
    """Return a reference, redacted if it grants access to the tickets. That of an erased order is empty."""
    return redacted(reference) if reference and is_secret_reference(provider, reference) else reference


def reference_label(order: Order) -> str:
    return visible_reference(order.provider, order.reference)
