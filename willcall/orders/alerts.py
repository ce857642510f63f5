"""The data of events for operators: an account's health changed, or an order needs attention."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from willcall.orders.model import Attention, Order
from willcall.orders.serialization import order_to_json, rfc3339
from willcall.orders.troubles import ACCOUNT_TROUBLES, ORDER_TROUBLES


@dataclass(frozen=True, slots=True)
class AccountChange:
    """An account's health now and before. `since` is in milliseconds, as stored; `waiting` counts its open orders."""

    health: str
    was: str
    since: int
    why: str
    waiting: int


def account_alert_data(account_key: str, change: AccountChange) -> dict[str, Any]:
    provider, _, name = account_key.partition("/")
    return {
        "provider": provider,
        "account": name,
        "health": change.health,
        "was": change.was,
        "since": rfc3339(change.since / 1_000),
        "why": change.why,
        "orders_waiting": change.waiting,
        "what_to_do": _instructions(account_key, change.health),
    }


def _instructions(account_key: str, health: str) -> str:
    if health == "ok":
        return "Nothing: its orders continue automatically."
    return ACCOUNT_TROUBLES[health].for_account(account_key)


def attention_alert_data(order: Order, *, secret_reference: bool) -> dict[str, Any]:
    """Return the order without its tickets, and without its reference if that is a secret.

    Its attention is added by the Lua script that sets it, and the explanation by `with_advice`.
    """
    document = order_to_json(order)
    del document["attention"], document["tickets"]
    if secret_reference:
        del document["reference"]
    return document


def with_advice(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with why the order needs attention and what to do about it.

    `report`, if the order's end could not be reported to its provider, says so itself.
    """
    if document.get("report"):
        return {**document, **document["report"]}
    advice = ORDER_TROUBLES[Attention(document["attention"])]
    return {**document, "why": advice.what, "what_to_do": advice.for_order(document["id"])}
