"""A client of Willcall's HTTP API. It stands alone: it needs requests, and nothing else of Willcall.

from willcall.client import Client

with Client("http://127.0.0.1:8080", key="...") as client:
order = client.submit("tiqets", "1111111", id="cart-42", quantity=2)
for event in client.events():
print(event.type, event.data.id)
"""

from willcall.client.client import Client
from willcall.client.errors import (
    ApiError,
    Conflict,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from willcall.client.feed import Feed
from willcall.client.models import Account, Attempt, BatchResult, Event, Order, Problem, Resumed, Ticket

__all__ = [
    "Account",
    "ApiError",
    "Attempt",
    "BatchResult",
    "Client",
    "Conflict",
    "Event",
    "Feed",
    "NotFound",
    "Order",
    "Problem",
    "Rejected",
    "Resumed",
    "Ticket",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
]
