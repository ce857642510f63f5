"""The base class of simulated providers: it matches requests and renders responses. No I/O, clock or state here."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from willcall.simulator.documents import sign
from willcall.simulator.http_messages import SimulatedRequest, SimulatedResponse
from willcall.simulator.ledger import RequestKind
from willcall.simulator.order_status import SimulatedStatus, issued_tickets
from willcall.simulator.script import AccountScript, OrderScript, ProviderName, PushScript

#: What a credential gives access to, such as "admin" or "user".
Scope = str


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """What a request is for. `key` is the credential it carries, as in `Provider.keys`."""

    kind: RequestKind
    reference: str | None = None
    key: str | None = None
    #: The scope that the path requires; None is any.
    scope: Scope | None = None
    #: The page of a list, as the client names it; None is the first.
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """An order as it is at `now` (epoch seconds)."""

    order: OrderScript
    status: SimulatedStatus
    known_at: float
    now: float
    origin: str
    #: One unguessable name per ticket.
    secrets: Sequence[str]
    #: A status word to use instead of the provider's own.
    word: str | None = None

    @property
    def issued(self) -> int:
        """How many tickets exist."""
        return issued_tickets(self.order, self.status)

    def document(self, index: int = 0, ending: str = "pdf") -> str:
        """Return the address of a ticket's document."""
        name, life = self.secrets[index], self.order.link_life
        signature = "" if life is None else "?" + sign(name, self.now + life)
        return f"{self.origin}/documents/{self.order.provider}/{name}.{ending}{signature}"

    def contents(self) -> Iterator[str]:
        """Iterate over the secrets of all tickets, issued or not: document names and barcodes."""
        for index, name in enumerate(self.secrets):
            yield from (name, self.barcode(index))

    def barcode(self, index: int) -> str:
        """Return a ticket's barcode: thirteen digits."""
        return f"{int(self.secrets[index], 16) % 10**13:013d}"


@dataclass(frozen=True, slots=True)
class SimulatedPush:
    """The body and headers of one push to the client."""

    body: bytes
    headers: Mapping[str, str]


class Provider(ABC):
    """One provider's API. The methods implemented here suit most providers."""

    name: ClassVar[ProviderName]
    #: The HTTP status for unknown credentials.
    unknown_status: ClassVar[int] = 401

    @abstractmethod
    def default_credentials(self, account: str) -> dict[str, str]:
        """Return made-up credentials of an account, by their names in the account table."""

    @abstractmethod
    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """Return every form in which these credentials are accepted, with its scope."""

    def token_keys(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """Return the forms in which a token endpoint accepts credentials, by `AccountScript.token_auth`."""
        return {}

    @abstractmethod
    def match_route(self, request: SimulatedRequest) -> RouteMatch:
        """Return what the request is for."""

    @abstractmethod
    def order_response(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> SimulatedResponse:
        """Return the response to a status request; several snapshots only if a reference names a group."""

    @abstractmethod
    def error_response(self, status: int) -> SimulatedResponse:
        """Return an error in the provider's own form."""

    def pushes(self, order: OrderScript) -> Sequence[PushScript]:
        """Return the pushes that the provider sends by itself over an order's life."""
        return ()

    def push(self, snapshot: OrderSnapshot, script: PushScript, credentials: Mapping[str, str]) -> SimulatedPush:
        """Return one push, for providers that send `pushes`."""
        raise NotImplementedError

    def user_of(self, reference: str) -> str | None:
        """Return the `external_user_id` whose orders a reference stands for, or `None` for a single order."""
        return None

    def aliases(self, order: OrderScript, secrets: Sequence[str]) -> list[str]:
        """Return the references of an order's single tickets, in their sequence; empty if they have none."""
        return []

    def new_order(self, request: SimulatedRequest, account: AccountScript) -> OrderScript | None:
        """Return the order that a cart becomes, or `None` for an invalid request."""
        return None

    def checkout_response(self, order: OrderScript, request: SimulatedRequest) -> SimulatedResponse:
        """Return the response to the request that created an order, for providers with such requests."""
        raise NotImplementedError

    def details_response(self, snapshot: OrderSnapshot) -> SimulatedResponse:
        """Return the response to a request for more about an order, for providers with such requests."""
        raise NotImplementedError

    def checkouts(self, order: OrderScript, secrets: Sequence[str]) -> list[str]:
        """Return further references of a whole order."""
        return []

    def shown_on(self, route: RouteMatch, snapshots: Sequence[OrderSnapshot]) -> Sequence[OrderSnapshot]:
        """Return the orders that one page of a status response shows."""
        return snapshots

    def list_response(
        self, request: SimulatedRequest, snapshots: Sequence[OrderSnapshot], page_size: int | None = None
    ) -> tuple[SimulatedResponse, Sequence[OrderSnapshot]]:
        """Return the response to a request for the account's orders, and those in it: one page."""
        raise NotImplementedError

    def report_response(
        self, request: SimulatedRequest, snapshot: OrderSnapshot
    ) -> tuple[SimulatedResponse, str | None]:
        """Return the response to a request that sets an order's status, and the word that it sets, if it is allowed."""
        raise NotImplementedError

    def token_response(self, token: str, script: AccountScript) -> SimulatedResponse:
        """Return the response that issues an OAuth token of the account."""
        raise NotImplementedError


def reason(status: int) -> str:
    """Return the standard phrase of an HTTP status."""
    return HTTPStatus(status).phrase
