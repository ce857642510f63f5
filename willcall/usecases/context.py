"""What every use case works with, built once per process by `willcall.runtime.composition`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from willcall.config import Settings
from willcall.http.messages import Request, Response
from willcall.http.outbound import OutboundClient
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.providers.base import Account
from willcall.providers.implausible_hints import ImplausibleHints
from willcall.stores.bookings import BookingKind
from willcall.stores.documents import DocumentStore
from willcall.stores.messages import PollMessage, Reschedule
from willcall.stores.registry import Stores
from willcall.usecases.local_throttles import LocalThrottles
from willcall.usecases.ports import Meters, ProviderClient, Sender

#: The task that fetches the documents that an order's tickets lack.
FETCH_DOCUMENTS = "tasks.fetch_documents"


@dataclass(frozen=True, slots=True)
class Context:
    """What a use case is given.

    `rng` is the source of jitter, `throttles` holds the 429s that this process has received, and `implausible_hints`
    the hints that it has logged already.
    """

    settings: Settings
    accounts: Mapping[str, Account]
    stores: Stores
    http: ProviderClient
    outbound: OutboundClient
    documents: DocumentStore
    sender: Sender
    rng: Random
    meters: Meters
    throttles: LocalThrottles = field(default_factory=LocalThrottles)
    implausible_hints: ImplausibleHints = field(default_factory=ImplausibleHints)

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:
        """Send a request to a provider and time it.

        Raises ValueError for one that leaves the account's `base_url`, which is a bug: it may have credentials.
        """
        if not account.may_send(request):
            raise ValueError(f"a request of {account.key} leaves base_url")
        with self.meters.time_request(account.key):
            return self.http.exchange(account, request)

    def send_polls(self, account: str, messages: list[PollMessage]) -> None:
        """Send poll messages of one account, each to run when it is due by the server's clock."""
        if messages:
            self.sender.send_polls(account, messages, self.stores.accounts.now())

    def send_expedited(self, moved: Sequence[Reschedule]) -> None:
        """Send messages for what has become due sooner."""
        if not moved:
            return
        now = self.stores.accounts.now()
        polls: dict[str, list[PollMessage]] = {}
        for each in moved:
            if each.kind is BookingKind.ORDER:
                message = PollMessage(each.id, each.seq, each.due, has_slot=True)
                polls.setdefault(each.account, []).append(message)
        for account, messages in polls.items():
            self.sender.send_polls(account, messages, now)
        for each in moved:
            if each.kind is BookingKind.DOCUMENTS:
                self.sender.send_task(FETCH_DOCUMENTS, [each.id], max(0.0, each.due - now))
