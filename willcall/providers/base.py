"""What an adapter is: it builds requests and reads responses. No I/O happens here or in any adapter."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from willcall.http.messages import HttpLimits, Request, Response
from willcall.orders.outcomes import Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.user_lists import Ownership
from willcall.providers.credentials import Credentials
from willcall.providers.pushes import Pushes


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """What an adapter may know of the order that it polls.

    `bought_at` (epoch seconds) and `ownership` tell the order's own tickets from others in a user's list.
    """

    reference: str = field(repr=False)
    quantity: int | None = None
    language: str | None = None
    bought_at: float = -math.inf
    ownership: Ownership = field(default=Ownership(), repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An OAuth access token. `expires_in`: seconds from now."""

    value: str = field(repr=False)
    expires_in: float


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """One entry of a provider's list of orders: which order, and what the list says of it."""

    reference: str = field(repr=False)
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AccountDefaults:
    """What an account gets where its table in the configuration says nothing."""

    rate: Rate
    polling: PollPolicy


class OAuth(Protocol):
    """How a provider issues access tokens."""

    def token_requests(self, credentials: Any, /) -> Mapping[str, Request]:
        """Return the requests for a token by the way in which the client authenticates.

        Where the first is rejected, the others may be tried. Empty where the account needs no token.
        """

    def read_token(self, response: Response, /) -> AccessToken | Unauthorized | Throttled | Unavailable:
        """Return the token, or why there is none, which says nothing of any order. Never raises."""


class OrderLister(Protocol):
    """How a provider lists orders for reconciliation."""

    def list_request(self, credentials: Any, access_token: str | None, since: float, /) -> Request | None:
        """Return the request for the orders changed since `since` (epoch), `None` where the account has no list."""

    def read_list(self, response: Response, /) -> list[ListedOrder]:
        """Return what the list says, without entries that cannot be read. Never raises."""


class UserLists(Protocol):
    """References that stand for all that a user ever bought, so that other orders' tickets are listed too."""

    #: The references; one with a colon at its end is followed by the user.
    references: tuple[str, ...]

    def ticket_keys(self, query: OrderQuery, response: Response, /) -> frozenset[str]:
        """Return what identifies all tickets of the list; see `orders.user_lists.ticket_keys`. Never raises."""


class Adapter(ABC):
    """One provider, sans I/O. What a provider does not have is `None`."""

    name: ClassVar[str]
    credentials: ClassVar[type[Credentials]]
    defaults: ClassVar[AccountDefaults]
    #: Seconds between two requests for one order that the provider asks for; no configuration undercuts it.
    shortest_interval: ClassVar[float] = 0.0

    oauth: ClassVar[OAuth | None] = None
    listing: ClassVar[OrderLister | None] = None
    pushes: ClassVar[Pushes | None] = None
    user_lists: ClassVar[UserLists | None] = None

    @abstractmethod
    def check_reference(self, reference: str, credentials: Any, /) -> None:
        """Raise ValueError, with a message that does not repeat the reference, where it cannot be polled."""

    @abstractmethod
    def status_request(self, query: OrderQuery, credentials: Any, access_token: str | None, /) -> Request:
        """Return the request for one order's status."""

    @abstractmethod
    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Return the one outcome that a response means. Never raises, whatever the bytes."""

    def reference_is_secret(self, _reference: str, /) -> bool:
        """Return whether the reference is all it takes to get the tickets, or holds the code of one."""
        return False

    def is_user_list(self, reference: str) -> bool:
        """Return whether a reference stands for all that a user ever bought."""
        references = self.user_lists.references if self.user_lists else ()
        return any(reference.startswith(one) if one.endswith(":") else reference == one for one in references)


@dataclass(frozen=True, slots=True)
class Account:
    """One set of credentials at a provider, with everything that governs how it is polled.

    `probe_interval`: the shortest and the longest interval at which a stopped or failing account is probed, seconds.
    """

    provider: str
    name: str
    adapter: Adapter
    credentials: Credentials = field(repr=False)
    rate: Rate
    polling: PollPolicy
    probe_interval: tuple[float, float] = (30.0, 600.0)
    http: HttpLimits = field(default_factory=HttpLimits)

    @property
    def key(self) -> str:
        """`<provider>/<account>`, the way people write an account."""
        return f"{self.provider}/{self.name}"

    def token_requests(self) -> Mapping[str, Request]:
        """Return the requests for an access token, as `OAuth` does; empty where the account needs none."""
        return self.adapter.oauth.token_requests(self.credentials) if self.adapter.oauth else {}
