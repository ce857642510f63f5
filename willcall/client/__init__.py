"""A client of Willcall's HTTP API. It stands alone: it needs requests, and nothing else of Willcall.

Example:
    from willcall.client import Client

    with Client("http://127.0.0.1:8080", key="...") as client:
        order = client.submit("tiqets", "1111111", id="cart-42", quantity=2)
        for event in client.events():
            print(event.type, event.data.id)
"""

from willcall.client.client import Client
from willcall.client.errors import (
    ApiError,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnreachableError,
)
from willcall.client.feed import Feed
from willcall.schemas.accounts import Account, Backlog, Rate, ResumeResult, UnderlyingHealth
from willcall.schemas.orders import Attempt, BatchResult, Event, Order, Ticket
from willcall.schemas.problems import FieldProblem, Problem

__all__ = [
    "Account",
    "ApiError",
    "Attempt",
    "AuthenticationError",
    "Backlog",
    "BatchResult",
    "Client",
    "ConflictError",
    "Event",
    "Feed",
    "FieldProblem",
    "NotFoundError",
    "Order",
    "Problem",
    "Rate",
    "RejectedError",
    "ResumeResult",
    "Ticket",
    "UnavailableError",
    "UnderlyingHealth",
    "UnreachableError",
]
