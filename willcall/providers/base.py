"""The interface of adapters, which build requests and read responses. Adapters do no I/O."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, ClassVar, Protocol

from willcall.http.messages import HttpLimits, Request, Response
from willcall.http.routes import DIRECT, Route
from willcall.http.urls import is_below
from willcall.orders.model import Ticket
from willcall.orders.outcomes import Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.ticket_identity import Tickets
from willcall.orders.user_lists import Ownership
from willcall.providers.checkouts import Checkouts
from willcall.providers.conversations import Conversation, fetch, find_owners
from willcall.providers.credentials import Credentials
from willcall.providers.pushes import Pushes
from willcall.providers.reports import OrderReports


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """The part of an order that an adapter may know.

    `bought_at` (epoch seconds) and `ownership` distinguish the order's own tickets from others in a user's list.
    `present` are the tickets that the order has from earlier attempts: what they show need not be asked again, unless
    the order is `watched`, because it is final.
    """

    reference: str = field(repr=False)
    quantity: int | None = None
    language: str | None = None
    bought_at: float = -math.inf
    ownership: Ownership = field(default=Ownership(), repr=False)
    present: Tickets = field(default=(), repr=False)
    watched: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An OAuth access token. `expires_in`: seconds from now."""

    value: str = field(repr=False)
    expires_in: float


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """One entry of a provider's list of orders: which order, and its outcome."""

    reference: str = field(repr=False)
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class AccountDefaults:
    """The defaults of an account, for what its table in the configuration leaves out."""

    rate: Rate
    polling: PollPolicy


class OAuth(Protocol):
    """How a provider issues access tokens."""

    def token_requests(self, credentials: Any, /) -> Mapping[str, Request]:
        """Return the requests for a token by authentication method; empty if the account needs no token.

        If the first is rejected, the others may be tried.
        """

    def read_token(self, response: Response, /) -> AccessToken | Unauthorized | Throttled | Unavailable:
        """Return the token, or the reason that there is none, which concerns no order. Never raises."""


class OrderLister(Protocol):
    """How a provider lists orders for reconciliation."""

    def list_request(self, credentials: Any, access_token: str | None, since: float, /) -> Request | None:
        """Return the request for the orders changed since `since` (epoch), or `None` if the account has no list."""

    def read_list(self, response: Response, /) -> list[ListedOrder]:
        """Return the entries of a page of the list that can be read. Never raises."""

    def next_page(self, request: Request, response: Response, /) -> Request | None:
        """Return the request for the page after the one with this request and response, or `None`. Never raises."""


class UserLists(Protocol):
    """References that stand for everything a user ever bought, so the response lists other orders' tickets too."""

    #: The references; one that ends with a colon is followed by the user.
    references: tuple[str, ...]

    def ticket_keys(self, query: OrderQuery, response: Response, /) -> frozenset[str]:
        """Return what identifies all tickets of the list; see `orders.user_lists.ticket_keys`. Never raises."""


class Adapter(ABC):
    """One provider, sans I/O. A capability that the provider lacks is `None`."""

    name: ClassVar[str]
    credentials: ClassVar[type[Credentials]]
    defaults: ClassVar[AccountDefaults]
    #: Least seconds between two requests for one order at this provider; the configuration cannot lower it.
    shortest_interval: ClassVar[float] = 0.0

    oauth: ClassVar[OAuth | None] = None
    listing: ClassVar[OrderLister | None] = None
    pushes: ClassVar[Pushes | None] = None
    checkouts: ClassVar[Checkouts | None] = None
    user_lists: ClassVar[UserLists | None] = None
    reports: ClassVar[OrderReports | None] = None
    #: The name of the credential of one user that an order may have in place of the account's.
    user_credential: ClassVar[str | None] = None

    @abstractmethod
    def check_reference(self, reference: str, credentials: Any, /) -> None:
        """Raise ValueError if the reference cannot be polled. The message does not repeat it."""

    def language_error(self, _language: str, /) -> str | None:
        """Return why the provider cannot be asked in a language, or `None`. Most providers are not asked in any."""
        return None

    def converse(self, query: OrderQuery, credentials: Any, access_token: str | None, /) -> Conversation:
        """Ask about one order: by a single request, unless an adapter needs further ones.

        The first answer is always a response. A later one is `None` if the request could not be sent or answered in
        this attempt; then the outcome is what is known, and the next attempt asks for the rest.
        """
        response = yield from fetch(self.status_request(query, credentials, access_token))
        if response is None:
            raise ValueError("the first request of a conversation has a response")
        if self.user_lists and self.is_user_list(query.reference):
            owners = yield from find_owners(self.user_lists.ticket_keys(query, response))
            query = replace(query, ownership=owners)
        return self.read_status(query, response)

    @abstractmethod
    def status_request(self, query: OrderQuery, credentials: Any, access_token: str | None, /) -> Request:
        """Return the request for one order's status."""

    @abstractmethod
    def read_status(self, query: OrderQuery, response: Response, /) -> Outcome:
        """Return the outcome that a response means. Never raises, whatever the bytes."""

    def reference_is_secret(self, _reference: str, /) -> bool:
        """Return whether the reference alone gives access to the tickets, or contains the code of one."""
        return False

    def interval_scope(self, _credentials: Any, /) -> str | None:
        """Return what two accounts have in common if an order of one is an order of the other, or `None`.

        Only a provider that limits the requests about each order needs it: one order may be submitted to both.
        """
        return None

    def is_user_list(self, reference: str) -> bool:
        """Return whether a reference stands for everything a user ever bought."""
        references = self.user_lists.references if self.user_lists else ()
        return any(reference.startswith(one) if one.endswith(":") else reference == one for one in references)


@dataclass(frozen=True, slots=True)
class Account:
    """One set of credentials at a provider, and how it is polled.

    `probe_interval`: the shortest and the longest interval at which a stopped or failing account is probed, seconds.
    `retention`: how long its final orders are stored, seconds, if that is not the general retention. `keep_holder`:
    whether the personal data on tickets are stored.
    """

    provider: str
    name: str
    adapter: Adapter
    credentials: Credentials = field(repr=False)
    rate: Rate
    polling: PollPolicy
    probe_interval: tuple[float, float] = (30.0, 600.0)
    http: HttpLimits = field(default_factory=HttpLimits)
    route: Route = DIRECT
    retention: float | None = None
    keep_holder: bool = False

    @property
    def key(self) -> str:
        """The account's key, `<provider>/<account>`."""
        return f"{self.provider}/{self.name}"

    @property
    def bucket(self) -> str:
        """The name of the account's token bucket, which accounts with a shared rate have in common."""
        return self.rate.bucket(self.key)

    @property
    def interval_scope(self) -> str | None:
        """The name of the accounts that an order's minimum interval holds for, `None` if it is this one alone."""
        scope = self.adapter.interval_scope(self.credentials)
        return None if scope is None else f"{self.provider}:{blake2b(scope.encode(), digest_size=12).hexdigest()}"

    def is_own_url(self, url: str) -> bool:
        """Return whether a URL is the provider's, so that it may be sent the account's credentials."""
        return is_below(url, self.credentials.base_url)

    def may_send(self, request: Request) -> bool:
        """Return whether a request stays below `base_url`, or is one for an access token."""
        return self.is_own_url(request.url) or request in self.token_requests().values()

    def for_user(self, credentials: Mapping[str, str]) -> "Account":
        """Return the account with the credentials of one user in place of its own.

        Raises ValueError, which does not repeat them.
        """
        name = self.adapter.user_credential
        if name is None:
            raise ValueError(f"{self.provider} has no credentials of users; leave it out")
        if set(credentials) != {name}:
            raise ValueError(f"must be an object with {name} alone")
        own = type(self.credentials)(base_url=self.credentials.base_url, **credentials)
        return replace(self, credentials=own)

    def without_holders(self, tickets: Iterable[Ticket]) -> Tickets:
        """Return tickets as the account stores them: without personal data, unless it keeps these."""
        return tuple(ticket if self.keep_holder else replace(ticket, holder=None) for ticket in tickets)

    def token_requests(self) -> Mapping[str, Request]:
        """Return the requests for an access token, as `OAuth` does; empty if the account needs none."""
        return self.adapter.oauth.token_requests(self.credentials) if self.adapter.oauth else {}
