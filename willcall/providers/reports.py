"""The interface for providers that want to know how an order ended here. No I/O."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from willcall.http.messages import Request, Response
from willcall.orders.model import Order, Status, TicketKind
from willcall.orders.outcomes import Outcome

#: The statuses that are reported. The others are open, or the provider's own word.
REPORTED = frozenset({Status.FULFILLED, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class OrderEnd:
    """How an order ended. `shipped`: its tickets are on their way in a parcel."""

    reference: str = field(repr=False)
    status: Status
    shipped: bool = False

    @classmethod
    def of(cls, order: Order) -> "OrderEnd":
        """Return how `order` ended."""
        kinds = {ticket.kind for ticket in order.tickets}
        return cls(order.reference, order.status, shipped=kinds == {TicketKind.SHIPMENT})


class OrderReports(Protocol):
    """Reports the ends of orders to one provider."""

    def report_word(self, end: OrderEnd, credentials: Any, /) -> str | None:
        """Return the provider's status word for the end, or `None` if the account does not report it."""

    def report_request(self, end: OrderEnd, word: str, credentials: Any, access_token: str | None, /) -> Request:
        """Return the request that reports the end. Repeating it is harmless."""

    def read_report(self, response: Response, /) -> Outcome | None:
        """Return why the provider did not take the report, or `None` if it did. Never raises, whatever the bytes."""
