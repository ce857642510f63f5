"""Histories of what people did, as JSON and text."""

from willcall.orders.history import HistoryEntry
from willcall.schemas import operations as schemas
from willcall.schemas.base import utc


def history_schema(entry: HistoryEntry) -> schemas.HistoryEntry:
    return schemas.HistoryEntry(
        at=utc(entry.at), action=entry.action, by=entry.by, account=entry.account, detail=entry.detail
    )


def describe_action(action: str) -> str:
    """Return an action in words."""
    return action.replace("_", " ")
