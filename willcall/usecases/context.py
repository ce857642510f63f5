"""Everything a use case works with, put together once per process by the composition root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from willcall.config import Settings
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.outbound.transport import Failure, Limits, Reply
from willcall.providers.base import Account, Answer, Request
from willcall.stores.accounts import AccountStore
from willcall.stores.connection import SOCKET_TIMEOUT, connect
from willcall.stores.deliveries import DeliveryStore
from willcall.stores.events import EventStore
from willcall.stores.leases import LeaseStore
from willcall.stores.listing import Listing
from willcall.stores.oauth import OAuthStore
from willcall.stores.orders import Message, OrderStore


class Exchange(Protocol):
    """The one I/O between a request and its answer."""

    def exchange(self, account: Account, request: Request) -> Answer | Unavailable | Malformed:
        """Send a request; what the network or the other side does wrong is an outcome, not an exception."""


class Posting(Protocol):
    """The way to a backend's callback URL."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], limits: Limits) -> Reply | Failure:
        """Send a body, once, within the limits and following no redirect; raises for nothing the other side does."""


class Sender(Protocol):
    """The port through which messages leave."""

    def send_polls(self, account: str, messages: list[Message], now: float) -> None:
        """Send messages of one account, each to run when it is due.

        Does not raise for a broker that is away: the due index names the orders, and the sweep sends again.
        """

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        """Send any other task of ours, to run in `countdown` seconds; as tolerant of a broker that is away."""


@dataclass(frozen=True, slots=True)
class Stores:
    """All doors to Redis."""

    orders: OrderStore
    listing: Listing
    accounts: AccountStore
    oauth: OAuthStore
    events: EventStore
    deliveries: DeliveryStore
    leases: LeaseStore

    @classmethod
    def on(cls, url: str, timeout: float = SOCKET_TIMEOUT) -> "Stores":
        """The stores at `url`; `timeout`: seconds of silence that mean that Redis is away."""
        redis, patient = connect(url, timeout=timeout), connect(url, patient=True)
        orders = OrderStore(redis, patient)
        return cls(
            orders=orders,
            listing=Listing(redis, orders),
            accounts=AccountStore(redis, patient),
            oauth=OAuthStore(redis),
            events=EventStore(redis),
            deliveries=DeliveryStore(redis, patient),
            leases=LeaseStore(redis),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What use cases are given. `rng` is the source of jitter."""

    settings: Settings
    accounts: Mapping[str, Account]
    stores: Stores
    http: Exchange
    outbound: Posting
    sender: Sender
    rng: Random

    def send(self, account: str, messages: list[Message]) -> None:
        """Send poll messages of one account, if there are any, each to run when it is due by the server's clock."""
        if messages:
            self.sender.send_polls(account, messages, self.stores.accounts.now())
