"""What a provider is: it reads a call and renders an answer. No I/O, no clock and no state here."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from willcall.simulator.documents import sign
from willcall.simulator.ledger import Kind
from willcall.simulator.phases import Phase, tickets_at
from willcall.simulator.push_script import PushScript
from willcall.simulator.script import AccountScript, OrderScript, ProviderName
from willcall.simulator.wire import Answer, Call

#: Which sort of credentials a path wants, e.g. a server's or a user's own.
Scope = str


@dataclass(frozen=True, slots=True)
class Target:
    """What a call is about. `key` is the credential it came with, as in `Provider.keys`."""

    kind: Kind
    reference: str | None = None
    key: str | None = None
    #: The scope that the path wants; None takes any.
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class View:
    """An order as it stands at `now` (epoch seconds)."""

    order: OrderScript
    phase: Phase
    known_at: float
    now: float
    origin: str
    #: One unguessable name per ticket.
    secrets: Sequence[str]
    #: A status word to say instead of the provider's own.
    word: str | None = None

    @property
    def issued(self) -> int:
        """How many tickets exist."""
        return tickets_at(self.order, self.phase)

    def document(self, index: int = 0, ending: str = "pdf") -> str:
        """The address of the ticket's document."""
        name, life = self.secrets[index], self.order.link_life
        signature = "" if life is None else "?" + sign(name, self.now + life)
        return f"{self.origin}/documents/{self.order.provider}/{name}.{ending}{signature}"

    def contents(self) -> Iterator[str]:
        """What makes a ticket worth having, whether it is issued yet or not."""
        for index, name in enumerate(self.secrets):
            yield from (name, self.barcode(index))

    def barcode(self, index: int) -> str:
        """The ticket's barcode: thirteen digits."""
        return f"{int(self.secrets[index], 16) % 10**13:013d}"


@dataclass(frozen=True, slots=True)
class Push:
    """One call to the client."""

    body: bytes
    headers: Mapping[str, str]


class Provider(ABC):
    """One provider's manner of speaking. What is implemented here is what most providers share."""

    name: ClassVar[ProviderName]
    #: The HTTP status for credentials that nobody has.
    unknown_status: ClassVar[int] = 401

    @abstractmethod
    def default_credentials(self, account: str) -> dict[str, str]:
        """The made-up credentials of an account, by the names of the account table."""

    @abstractmethod
    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """Every form in which these credentials are accepted, and for what."""

    def token_keys(self, credentials: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002 - most have none
        """The forms in which a token endpoint takes a client's credentials, by `AccountScript.token_auth`."""
        return {}

    @abstractmethod
    def route(self, call: Call) -> Target:
        """What the call is about."""

    @abstractmethod
    def show(self, target: Target, views: Sequence[View]) -> Answer:
        """The answer to a status request; several views only where a reference names a group."""

    @abstractmethod
    def error(self, status: int) -> Answer:
        """An error in the provider's own form."""

    def pushes(self, order: OrderScript) -> Sequence[PushScript]:  # noqa: ARG002 - most never call
        """What the provider sends by itself over an order's life."""
        return ()

    def push(self, view: View, script: PushScript, credentials: Mapping[str, str]) -> Push:
        """One call to the client, where `pushes` knows of such."""
        raise NotImplementedError

    def members(self, reference: str) -> str | None:  # noqa: ARG002 - the same for every reference
        """The `external_user_id` whose orders a reference stands for; None for a single order."""
        return None

    def aliases(self, order: OrderScript, secrets: Sequence[str]) -> list[str]:  # noqa: ARG002
        """References of an order's single tickets, in their sequence; empty where they have none."""
        return []

    def listing(self, call: Call, views: Sequence[View]) -> tuple[Answer, Sequence[View]]:
        """The answer to a request for the account's orders, where `route` knows of such, and whom it shows."""
        raise NotImplementedError

    def granted(self, token: str, script: AccountScript) -> Answer:
        """The answer that hands out an OAuth token of the account, where `route` knows of such."""
        raise NotImplementedError


def reason(status: int) -> str:
    """The standard phrase of an HTTP status."""
    return HTTPStatus(status).phrase
