"""The columns of exported lists and of the board's list, by the names of the fields in an order's JSON."""

import json
from collections.abc import Callable, Mapping, Sequence

from willcall.orders.model import Order
from willcall.orders.serialization import rfc3339
from willcall.orders.urls import web_host
from willcall.views.redaction import reference_label

Cell = str | int | bool | None

_METADATA = "metadata."
#: Most columns of one list.
_MOST_COLUMNS = 50


COLUMNS: Mapping[str, Callable[[Order], Cell]] = {
    "id": lambda order: order.id,
    "provider": lambda order: order.provider,
    "account": lambda order: order.account,
    "client": lambda order: order.client,
    "reference": reference_label,
    "group": lambda order: order.group,
    "status": lambda order: order.status.value,
    "attention": lambda order: order.attention.value if order.attention else None,
    "at_risk": lambda order: order.at_risk,
    "reason": lambda order: order.reason,
    "provider_status": lambda order: order.provider_status,
    "quantity": lambda order: order.quantity,
    "tickets": lambda order: len(order.tickets),
    "attempts": lambda order: order.attempts,
    "event_at": lambda order: rfc3339(order.event_at),
    "submitted_at": lambda order: rfc3339(order.submitted_at),
    "updated_at": lambda order: rfc3339(order.updated_at),
    "not_before": lambda order: rfc3339(order.not_before),
    "next_poll_at": lambda order: rfc3339(order.next_poll_at),
    "expected_at": lambda order: rfc3339(order.expected_at),
    "deadline_at": lambda order: rfc3339(order.deadline_at),
    "finished_at": lambda order: rfc3339(order.finished_at),
    "ended_by": lambda order: order.ended_by.value if order.ended_by else None,
    "callback_host": lambda order: web_host(order.callback_url) if order.callback_url else None,
    "metadata": lambda order: json.dumps(order.metadata, ensure_ascii=False) if order.metadata else None,
}

#: What an export has unless its columns are chosen.
DEFAULT_COLUMNS = (
    *("id", "provider", "account", "client", "reference", "group", "status", "attention", "at_risk", "quantity"),
    *("tickets", "event_at", "submitted_at", "updated_at", "finished_at"),
)


def parse_columns(text: str) -> tuple[str, ...]:
    """Return the columns of a comma-separated list, each once. Raises ValueError."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names or len(names) > _MOST_COLUMNS:
        raise ValueError(f"must name 1 to {_MOST_COLUMNS} columns")
    unknown = [name for name in names if name not in COLUMNS and not (name[len(_METADATA) :] and _is_metadata(name))]
    if unknown:
        raise ValueError(f"has unknown columns; there are {', '.join(COLUMNS)} and metadata.NAME")
    return names


def cell(order: Order, column: str) -> Cell:
    """Return what an order has in a column."""
    if _is_metadata(column):
        return order.metadata.get(column.removeprefix(_METADATA))
    return COLUMNS[column](order)


def row(order: Order, columns: Sequence[str]) -> dict[str, Cell]:
    return {column: cell(order, column) for column in columns}


def _is_metadata(column: str) -> bool:
    return column.startswith(_METADATA)
