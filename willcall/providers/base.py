"""What an adapter is: it builds a request and reads an answer. No I/O happens here or in any adapter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from willcall.http.messages import HttpLimits, Request, Response
from willcall.orders.outcomes import Outcome, Throttled, Unauthorized, Unavailable
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.user_lists import Ownership
from willcall.providers.credential_text import check_line

if TYPE_CHECKING:
    from willcall.providers.pushes import Pushes


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """What an adapter may know of the order that it asks about.

    `bought_at` (epoch seconds) and `ownership` tell the order's own tickets from others in a user's list.
    """

    reference: str = field(repr=False)
    quantity: int | None = None
    language: str | None = None
    bought_at: float = -math.inf
    ownership: Ownership = field(default=Ownership(), repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An OAuth access token and how long it is good for, seconds from now."""

    value: str = field(repr=False)
    expires_in: float


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """One entry of a provider's list of orders: which order, and what the list says of it."""

    reference: str = field(repr=False)
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Health:
    """How a parked or failing account is probed: first and longest interval between probes, seconds."""

    probe: tuple[float, float] = (30.0, 600.0)


@dataclass(frozen=True, slots=True)
class AccountDefaults:
    """What an account gets where its table in the config says nothing."""

    rate: Rate
    polling: PollPolicy


def _safe_url(value: str) -> str:
    """https, or plain http to this machine (a simulator); no trailing slash, no credentials inside."""
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an http(s) URL without credentials")
    if parts.query or parts.fragment:
        raise ValueError("must have no query and no fragment")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError("must be https (http is for a simulator on this machine)")
    return value.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


#: A provider's address in an account's table.
ProviderUrl = Annotated[str, AfterValidator(_safe_url)]


class Credentials(BaseModel):
    """The part of an account's table that is the provider's own: its address and our keys.

    Secrets are `pydantic.SecretStr`, so that no log, error or repr shows them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: ProviderUrl

    _lines = field_validator("*")(check_line)

    def document_headers(self) -> Mapping[str, str]:
        """What proves who asks for a document under `base_url`: nothing, where links are their own permission."""
        return {}


@dataclass(frozen=True, slots=True)
class Account:
    """One set of credentials at a provider, with everything that governs how it is asked."""

    provider: str
    name: str
    adapter: "Adapter"
    credentials: Credentials = field(repr=False)
    rate: Rate
    polling: PollPolicy
    health: Health = Health()
    http: HttpLimits = field(default_factory=HttpLimits)

    @property
    def key(self) -> str:
        """`<provider>/<account>`, the way people write an account."""
        return f"{self.provider}/{self.name}"


class Adapter(Protocol):
    """One provider, sans I/O.

    `token_requests`/`read_token` serve providers with OAuth (none elsewhere); `list_request`/`read_list`
    serve those that can list orders for reconciliation (None elsewhere); `pushes` is there where the provider
    calls back.
    """

    name: ClassVar[str]
    credentials: ClassVar[type[Credentials]]
    defaults: ClassVar[AccountDefaults]
    shortest_interval: ClassVar[float]
    """Seconds between two requests for one order that the provider itself asks for; no config undercuts it."""
    pushes: "ClassVar[Pushes | None]"
    """What the provider's own calls mean, None where it makes none."""

    user_references: ClassVar[tuple[str, ...]]
    """References that stand for all that a user ever bought, so that other orders' tickets are listed too. Those with a
    colon at their end are followed by the user."""

    def listed_ticket_keys(self, question: OrderQuery, answer: Response) -> frozenset[str]:
        """What identifies all tickets of a user's list; see `orders.user_lists.ticket_keys`. Never raises."""

    def check_reference(self, reference: str, credentials: Any) -> None:
        """Raise ValueError, with a message that does not repeat the reference, where it cannot be asked."""

    def reference_is_secret(self, reference: str) -> bool:
        """Whether the reference is all it takes to get at the tickets, or holds a code of one."""

    def status_request(self, question: OrderQuery, credentials: Any, access_token: str | None) -> Request:
        """The request that asks about one order."""

    def read_status(self, question: OrderQuery, answer: Response) -> Outcome:
        """The one outcome that an answer means; never raises, whatever the bytes."""

    def token_requests(self, credentials: Any) -> Mapping[str, Request]:
        """Return the requests for an access token, by the way in which the client authenticates.

        Where the first is refused, the others may be tried. Empty where the account needs no token.
        """

    def read_token(self, answer: Response) -> AccessToken | Unauthorized | Throttled | Unavailable:
        """Return the token; or what keeps it from us, which says nothing of any order."""

    def list_request(self, credentials: Any, access_token: str | None, since: float) -> Request | None:
        """The request that lists orders changed since `since` (epoch), None where there is no such list."""

    def read_list(self, answer: Response) -> list[ListedOrder]:
        """What the list says; entries that cannot be read are left out. Never raises."""


def is_user_list(adapter: Adapter, reference: str) -> bool:
    """Return whether a reference stands for all that a user ever bought."""
    return any(
        reference.startswith(each) if each.endswith(":") else reference == each for each in adapter.user_references
    )
