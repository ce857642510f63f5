"""Everything a use case works with, put together once per process by the composition root."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from willcall.config import Settings
from willcall.http.messages import Request, Response
from willcall.http.outbound import OutboundClient
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.providers.base import Account
from willcall.providers.implausible_hints import ImplausibleHints
from willcall.stores.accounts import AccountStore
from willcall.stores.bookings import BookingKind, Reschedule
from willcall.stores.connection import SOCKET_TIMEOUT, connect
from willcall.stores.dead_letters import DeadLetter, DeadLetterStore
from willcall.stores.deliveries import OPERATORS, DeliveryStore
from willcall.stores.document_fetches import DocumentFetchStore
from willcall.stores.documents import DocumentStore
from willcall.stores.events import EventStore
from willcall.stores.inbox import Inbox
from willcall.stores.leases import LeaseStore
from willcall.stores.listing import OrderListing
from willcall.stores.oauth import OAuthStore
from willcall.stores.operator_events import OperatorEventStore
from willcall.stores.orders import OrderStore, PollMessage
from willcall.stores.processes import ProcessStore
from willcall.stores.sessions import SessionStore
from willcall.stores.stats import StatsStore
from willcall.stores.sweeps import SweepStore
from willcall.usecases.local_throttles import LocalThrottles
from willcall.usecases.meters import Meters

#: The task that fetches what an order's tickets lack.
FETCH_DOCUMENTS = "tasks.fetch_documents"


class ProviderClient(Protocol):
    """The one I/O between a request and its answer."""

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:
        """Send a request; what the network or the other side does wrong is an outcome, not an exception."""


class Sender(Protocol):
    """The port through which messages leave."""

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:
        """Send messages of one account, each to run when it is due.

        Does not raise for a broker that is away: the due index names the orders, and the sweep sends again.
        """

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        """Send any other task of ours, to run in `countdown` seconds; as tolerant of a broker that is away."""

    def send_again(self, letter: DeadLetter) -> None:
        """Send a dead letter back to its queue.

        Raises ValueError if it never was a message, BrokerUnavailableError.
        """


@dataclass(frozen=True, slots=True)
class Stores:
    """All doors to Redis."""

    orders: OrderStore
    listing: OrderListing
    accounts: AccountStore
    oauth: OAuthStore
    events: EventStore
    deliveries: DeliveryStore
    ops: OperatorEventStore
    ops_deliveries: DeliveryStore
    leases: LeaseStore
    fetches: DocumentFetchStore
    inbox: Inbox
    stats: StatsStore
    sessions: SessionStore
    processes: ProcessStore
    sweeps: SweepStore
    dead_letters: DeadLetterStore

    @classmethod
    def on(cls, url: str, timeout: float = SOCKET_TIMEOUT, retries: int = 1) -> "Stores":
        """The stores at `url`; `timeout`: seconds of silence, after so many `retries`, mean that Redis is away."""
        redis, patient = connect(url, timeout=timeout, retries=retries), connect(url, patient=True)
        orders = OrderStore(redis, patient)
        return cls(
            orders=orders,
            listing=OrderListing(redis, orders),
            accounts=AccountStore(redis, patient),
            oauth=OAuthStore(redis),
            events=EventStore(redis),
            deliveries=DeliveryStore(redis, patient),
            ops=OperatorEventStore(redis),
            ops_deliveries=DeliveryStore(redis, patient, OPERATORS),
            leases=LeaseStore(redis),
            fetches=DocumentFetchStore(redis),
            inbox=Inbox(redis),
            stats=StatsStore(redis),
            sessions=SessionStore(redis),
            processes=ProcessStore(redis),
            sweeps=SweepStore(redis),
            dead_letters=DeadLetterStore(redis),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What use cases are given.

    `rng` is the source of jitter; `meters` count what this process does; `throttles` are the 429s that came to it,
    `odd_hints` the dates far ahead that it has logged.
    """

    settings: Settings
    accounts: Mapping[str, Account]
    stores: Stores
    http: ProviderClient
    outbound: OutboundClient
    documents: DocumentStore
    sender: Sender
    rng: Random
    meters: Meters = field(default_factory=Meters)
    throttles: LocalThrottles = field(default_factory=LocalThrottles)
    implausible_hints: ImplausibleHints = field(default_factory=ImplausibleHints)

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:
        """Send a request to a provider and time it; see `ProviderClient`."""
        with self.meters.time_request(account.key):
            return self.http.exchange(account, request)

    def send_polls(self, account: str, messages: list[PollMessage]) -> None:
        """Send poll messages of one account, if there are any, each to run when it is due by the server's clock."""
        if messages:
            self.sender.send_polls(account, messages, self.stores.accounts.now())

    def send_expedited(self, account: str, wakes: Sequence[Reschedule]) -> None:
        """Send messages of one account for what is due sooner than it was."""
        if not wakes:
            return
        now = self.stores.accounts.now()
        polls = [
            PollMessage(wake.id, wake.seq, wake.due, token=True) for wake in wakes if wake.booker is BookingKind.ORDER
        ]
        if polls:
            self.sender.send_polls(account, polls, now)
        for wake in wakes:
            if wake.booker is BookingKind.DOCUMENTS:
                self.sender.send_task(FETCH_DOCUMENTS, [wake.id], max(0.0, wake.due - now))
