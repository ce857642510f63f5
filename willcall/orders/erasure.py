"""What stays of an erased order: its id, times and outcomes."""

from collections.abc import Mapping
from typing import Any

#: Members of an order's JSON that stay in its events. The others are emptied.
_KEPT = frozenset(
    {
        "id",
        "provider",
        "account",
        "client",
        "status",
        "ended_by",
        "attempts",
        "submitted_at",
        "updated_at",
        "event_at",
        "not_before",
        "next_poll_at",
        "deadline_at",
        "finished_at",
        "at_risk",
    }
)
#: What the others become, if not null.
_EMPTY: Mapping[str, Any] = {"reference": "", "tickets": [], "documents": [], "metadata": {}}


def emptied_order(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order's JSON without its content, as readers of orders accept it."""
    return {name: value if name in _KEPT else _EMPTY.get(name) for name, value in order.items()}
