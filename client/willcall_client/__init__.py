"""Python client of Willcall's HTTP API. It needs httpx, and nothing of the server.

Example:
    from willcall_client import Client

    with Client("http://127.0.0.1:8080", key="...") as client:
        order = client.submit("tiqets", "1111111", id="cart-42", quantity=2)
        for event in client.events():
            print(event.type, event.data.id)
"""

from willcall_client.api_errors import (
    ApiError,
    AuthenticationError,
    ConflictError,
    NotFoundError,
    RejectedError,
    UnavailableError,
    UnreachableError,
)
from willcall_client.async_client import AsyncClient
from willcall_client.calls import Amendment, LookOptions, OrderFilters, OrderOptions, OrderToSubmit
from willcall_client.client import Client
from willcall_client.errors import DecodeError, WebhookVerificationError, WillcallError
from willcall_client.feed import AsyncFeed, Feed
from willcall_client.models import (
    FINAL_STATUSES,
    Account,
    Attempt,
    Backlog,
    BatchResult,
    BulkResult,
    BulkResults,
    Checkout,
    Event,
    FieldProblem,
    LookResult,
    Money,
    Needs,
    Order,
    OrderDocument,
    Problem,
    Rate,
    Readiness,
    RedeliveryResult,
    ResumeResult,
    ServiceStatus,
    Ticket,
    TicketEvent,
    TriggerResult,
    UnderlyingHealth,
)
from willcall_client.version import __version__

__all__ = [
    "FINAL_STATUSES",
    "Account",
    "Amendment",
    "ApiError",
    "AsyncClient",
    "AsyncFeed",
    "Attempt",
    "AuthenticationError",
    "Backlog",
    "BatchResult",
    "BulkResult",
    "BulkResults",
    "Checkout",
    "Client",
    "ConflictError",
    "DecodeError",
    "Event",
    "Feed",
    "FieldProblem",
    "LookOptions",
    "LookResult",
    "Money",
    "Needs",
    "NotFoundError",
    "Order",
    "OrderDocument",
    "OrderFilters",
    "OrderOptions",
    "OrderToSubmit",
    "Problem",
    "Rate",
    "Readiness",
    "RedeliveryResult",
    "RejectedError",
    "ResumeResult",
    "ServiceStatus",
    "Ticket",
    "TicketEvent",
    "TriggerResult",
    "UnavailableError",
    "UnderlyingHealth",
    "UnreachableError",
    "WebhookVerificationError",
    "WillcallError",
    "__version__",
]
