"""What use cases need from the process that they run in: interfaces that the composition fills."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from willcall.http.messages import Request, Response
from willcall.orders.callbacks import CallbackStatus
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.orders.statistics import CommitStatistics
from willcall.providers.base import Account
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.messages import PollMessage

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Operation(StrEnum):
    """What a process was doing when an unexpected exception occurred."""

    ATTEMPT = "attempt"
    DOCUMENTS = "documents"
    WEBHOOK = "webhook"
    CALLBACK = "callback"
    SWEEP = "sweep"


class Recipient(StrEnum):
    """Who is notified of events."""

    BACKENDS = "backends"
    OPERATORS = "operators"


class ProviderClient(Protocol):
    """Sends requests to providers."""

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:
        """Send a request. A failure of the network or of the provider is an outcome, not an exception."""


class Sender(Protocol):
    """Sends task messages. A broker that is unavailable is logged, not raised: a sweep sends the message later."""

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:
        """Send poll messages of one account, each to run when it is due; `now` is the server's time."""

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        """Send any other task, to run in `countdown` seconds."""

    def start_sweep(self, name: str) -> None:
        """Send the task of a sweep. Raises BrokerUnavailableError."""

    def requeue(self, letter: DeadLetter) -> None:
        """Send a dead letter back to its queue. Raises ValueError if it is no message, and BrokerUnavailableError."""


class Meters(Protocol):
    """Counts and times what this process does."""

    registry: "CollectorRegistry"

    def add_accounts(self, accounts: Iterable[str]) -> None:
        """Start at zero for each of `accounts` that is new."""

    def count_commit(self, account_key: str, measured: CommitStatistics) -> None:
        """Count what one commit wrote."""

    def observe_token_wait(self, account_key: str, seconds: float) -> None:
        """Record how long an attempt waited for its token; 0 if it got one immediately."""

    def time_request(self, account_key: str) -> AbstractContextManager[None]:
        """Time the block as one request to a provider."""

    def count_delivery(self, recipient: Recipient, status: CallbackStatus) -> None:
        """Count an attempt to deliver an event."""

    def count_error(self, operation: Operation) -> None:
        """Count an unexpected exception."""
