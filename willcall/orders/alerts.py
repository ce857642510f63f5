"""What operators are told, as it leaves the house: an account that changed, an order that a person should look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from willcall.orders.advice import ADVICE, TROUBLES
from willcall.orders.model import Attention, Order
from willcall.orders.serialization import order_to_json, rfc3339


@dataclass(frozen=True, slots=True)
class AccountChange:
    """How an account is now and was before. `since` is milliseconds, as the stores keep it; `waiting` orders wait."""

    health: str
    was: str
    since: int
    why: str
    waiting: int


def account_alert_data(account_key: str, change: AccountChange) -> dict[str, Any]:
    """A change of an account's health as JSON."""
    provider, _, name = account_key.partition("/")
    well = change.health == "ok"
    return {
        "provider": provider,
        "account": name,
        "health": change.health,
        "was": change.was,
        "since": rfc3339(change.since / 1_000),
        "why": change.why,
        "orders_waiting": change.waiting,
        "what_to_do": "Nothing: its orders go on by themselves." if well else TROUBLES[change.health].mend(account_key),
    }


def attention_alert_data(order: Order, *, secret_reference: bool) -> dict[str, Any]:
    """An order as operators are told of it: without its tickets, and without a reference that opens it.

    Which attention it needs is added by the step that makes it so, and what that means where it is read.
    """
    document = order_to_json(order)
    del document["attention"], document["tickets"]
    if secret_reference:
        del document["reference"]
    return document


def with_advice(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with why it needs attention and what to do about it."""
    advice = ADVICE[Attention(document["attention"])]
    return {**document, "why": advice.reason, "what_to_do": advice.mend(document["id"])}
