"""What the providers are told to do: accounts, orders and the faults on an order's way.

A script is a JSON or TOML file of this shape; every field but `provider` and `reference` has a default.
All durations are seconds. An order's clock starts when the simulator gets to know it.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from willcall.simulator.documents import FileForm

#: How base64 is written: the usual alphabet or that for URLs, without padding, in lines, behind a `data:` header.
Encoding = Literal["standard", "url", "unpadded", "lines", "data"]
ProviderName = Literal["funtrips", "tiqets", "tixstock", "voordemensen", "paylogic"]
HintForm = Literal["seconds", "date", "iso", "epoch", "epoch_ms"]
ContentCoding = Literal["gzip", "gzip_members", "gzip_padded", "zlib", "deflate"]
ScriptedEnd = Literal["fulfilled", "failed", "cancelled", "never"]
ExpectedStatus = Literal["fulfilled", "failed", "cancelled", "expired"]
DownMode = Literal["503", "reset", "hang", "gateway", "html"]
TokenAuth = Literal["basic", "basic_raw", "body"]
TokenFailure = Literal["html", "503", "404", "no_token", "unreadable", "reset"]

PROVIDERS: tuple[ProviderName, ...] = ("funtrips", "tiqets", "tixstock", "voordemensen", "paylogic")

#: Providers with a word for an order that they could not fulfil; the others can only cancel it.
CAN_FAIL = frozenset({"funtrips", "tiqets", "tixstock"})

#: "do not poll more than once every 10 seconds": https://vdm-docs.pages.dev/api/public/order
VOORDEMENSEN_MINIMUM = 10.0


class _ScriptModel(BaseModel):
    """Immutable; an unknown field is a mistake in the script."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BodyEncoding(_ScriptModel):
    """How the body goes onto the wire, and what the labels say of it, which need not be the same."""

    #: Any of Python's codecs; JSON is written in it, with its letters as they are.
    charset: str = "utf-8"
    #: Applied one after the other.
    codings: tuple[ContentCoding, ...] = ()
    #: The header as it is; None leaves it out.
    content_encoding: str | None = None
    content_type: str = "application/json"


class _Fault(_ScriptModel):
    """What can be wrong with any answer. A 429 stops the whole account for `retry_after`, others their order."""

    #: How many requests get it, one after the other; None is all from then on.
    times: PositiveInt | None = 1
    retry_after: NonNegativeInt | None = None
    form: HintForm = "seconds"
    #: Further lines of `Retry-After`, as they are; none of them asks for longer.
    also: tuple[str, ...] = ()
    #: Seconds by which the server's clock is ahead: its `Date`, and the moments in `Retry-After`.
    clock: float = 0.0
    packing: BodyEncoding | None = None


class StatusFault(_Fault):
    """An error status. A 429, or a 403 with `retry_after`, stops the whole account for so long.

    It has the provider's own form; with `gateway` it is the page that a content delivery network puts in its place.
    """

    do: Literal["status"]
    status: Literal[400, 401, 403, 404, 409, 418, 429, 500, 502, 503]
    gateway: bool = False


class BadResponseFault(_Fault):
    """A 200 that is of no use, a broken connection, or (`token_expired`) a bearer that is void from now.

    `usual` is the answer that time gives, with what else the fault says.
    """

    do: Literal[
        "usual",
        "malformed",
        "truncated_json",
        "empty",
        "wrong_types",
        "unknown_word",
        "reset",
        "cut",
        "gzip_bomb",
        "token_expired",
    ]


class SlowFault(_Fault):
    """`hang` is silent for `seconds` and then answers as usual; `slow_drip` spreads the body over them."""

    do: Literal["hang", "slow_drip"]
    seconds: PositiveFloat


class RedirectFault(_Fault):
    """302 to `location`, which may be relative."""

    do: Literal["redirect"]
    location: str


class HugeFault(_Fault):
    """A 200 with a JSON body of `bytes` bytes."""

    do: Literal["huge"]
    bytes: PositiveInt


Fault = Annotated[StatusFault | BadResponseFault | SlowFault | RedirectFault | HugeFault, Field(discriminator="do")]


class PendingHint(_ScriptModel):
    """The `Retry-After` of a funtrips 202; None leaves the header out."""

    retry_after: NonNegativeInt | None = 5
    form: HintForm = "seconds"


class DocumentScript(_ScriptModel):
    """What the files behind an order's addresses are, and what stands before them.

    `redirects` lead to each, one after the other. With `cookie` an address redirects to itself and sets a cookie,
    without which it redirects for ever. `unready` is the answer before `documents_after`, with `retry_after`.
    `inline`: Tixstock's answers hold the files themselves, in base64. `encoding` is how that is written, also in the
    pushes that the provider makes by itself.
    """

    form: FileForm = "pdf"
    inline: bool = False
    encoding: Encoding = "standard"
    redirects: NonNegativeInt = 0
    cookie: bool = False
    unready: Literal["404", "202", "page"] = "404"
    retry_after: NonNegativeInt | None = None


class PushScript(_ScriptModel):
    """One call of the provider to its client, `after` seconds from when the simulator got to know the order.

    tixstock: `ticket` is which of the order's tickets it brings, `form` what its file is, `size` pads a PDF to at least
    so many bytes, `encoding` is how the base64 is written, `status` the word of an `update`. `spoil` makes it useless:
    no base64, no ticket, a wrong signature.
    """

    kind: Literal["eticket", "mobile", "mobile_link", "paper", "update", "notification"]
    after: NonNegativeFloat = 0.0
    ticket: NonNegativeInt = 0
    general_admission: bool = False
    form: FileForm = "pdf"
    size: NonNegativeInt = 0
    row: str | None = "V"
    seat: str | None = "auto"
    listing: str = "9211231"
    proofs: NonNegativeInt = 0
    encoding: Encoding = "standard"
    status: str = "Approved"
    spoil: Literal["base64", "pdf", "signature"] | None = None
    #: How often it is sent, one right after the other.
    times: PositiveInt = 1

    def check(self, provider: str, quantity: int) -> None:
        """Raise ValueError where the provider sends no such call, or the order has no such ticket."""
        if provider != ("tiqets" if self.kind == "notification" else "tixstock"):
            raise ValueError(f"{provider} sends no call of the kind {self.kind}")
        if self.ticket >= quantity:
            raise ValueError(f"there is no ticket {self.ticket} in an order of {quantity}")


class OrderScript(_ScriptModel):
    """What one reference answers, over time.

    `expect` is the status at which a well-behaved client ends; where left out it follows from the rest.
    """

    provider: ProviderName
    reference: str = Field(min_length=1)
    account: str = "default"
    #: funtrips and paylogic: also shown under `user:<external_user_id>`, or `me` / `mine` for these names.
    external_user_id: str | None = None
    quantity: PositiveInt = 1
    #: funtrips and paylogic: an order of long ago, in a user's list: its tickets were issued, and its event was over,
    #: so long before the simulator got to know it.
    issued_ago: NonNegativeFloat | None = None
    #: funtrips and paylogic: each record or ticket of the order is listed so often.
    listed_times: PositiveInt = 1
    #: tixstock: webhooks name "TBC" for row and seat.
    placeholder_seats: bool = False
    #: paylogic: so many of the order's tickets are transferred, hence void; the first ones.
    transferred: NonNegativeInt = 0
    #: paylogic: the order is a combo: a parent product, with the tickets for its parts.
    combo: bool = False
    #: paylogic: the order does not hold its tickets, it only links to their download.
    only_a_download: bool = False
    ready_after: NonNegativeFloat = 0.0
    ends: ScriptedEnd = "fulfilled"
    #: Half of the tickets (at least one) exist from then on; voordemensen says `partial`.
    partial_after: NonNegativeFloat | None = None
    #: From the moment the tickets are issued until the fulfilled order turns cancelled.
    cancel_after: NonNegativeFloat | None = None
    pending_hint: PendingHint = PendingHint()
    #: paylogic: `fulfillment_starts_at`, and no e-ticket before.
    fulfillment_starts_after: NonNegativeFloat | None = None
    #: paylogic: `needs_personalization` is true until then, and there is no e-ticket.
    needs_personalization_until: NonNegativeFloat | None = None
    #: The order's PDFs are not found before that.
    documents_after: NonNegativeFloat = 0.0
    document: DocumentScript = DocumentScript()
    #: The PDFs' addresses are signed anew in each answer, and each is good for so long; None is for good.
    link_life: PositiveFloat | None = None
    #: Used up one per request, before the answer that time gives.
    answers: tuple[Fault, ...] = ()
    #: tixstock and tiqets, where the account has a `webhook_url`; None is what the provider sends by itself.
    pushes: tuple[PushScript, ...] | None = None
    expect: ExpectedStatus | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ends == "failed" and self.provider not in CAN_FAIL:
            raise ValueError(f"{self.provider} has no word for a failed order; use 'cancelled'")
        if self.cancel_after is not None and self.ends != "fulfilled":
            raise ValueError("only an order that ends fulfilled has a cancel_after")
        for push in self.pushes or ():
            push.check(self.provider, self.quantity)
        return self

    @property
    def hopeless(self) -> bool:
        """Whether a fault for all requests keeps the end from being learnt."""
        return any(fault.times is None and fault.do != "usual" for fault in self.answers)

    @property
    def expected(self) -> ExpectedStatus:
        """The status at which a well-behaved client ends."""
        if self.expect is not None:
            return self.expect
        if self.ends == "never" or self.hopeless:
            return "expired"
        return self.ends if self.cancel_after is None else "cancelled"


class RateScript(_ScriptModel):
    """At most `burst` requests at once and `limit` per `period` seconds on top."""

    limit: PositiveFloat
    period: PositiveFloat = 1.0
    burst: PositiveInt = 1


class AccountScript(_ScriptModel):
    """One set of credentials and what its owner may do.

    `credentials` are named as in a client's account table (`api_key`, `client_id`, ...); those left out are
    the `default_credentials` of the provider, which differ from account to account.
    """

    provider: ProviderName
    name: str = "default"
    credentials: dict[str, str] = {}
    #: What the ledger holds the client to; None is unlimited. The simulator does not enforce it.
    rate: RateScript | None = None
    #: Least time between two requests for one order; None is the provider's own.
    minimum: NonNegativeFloat | None = None
    #: Life of an OAuth token.
    token_lifetime: PositiveInt = 3600
    #: How `expires_in` is written; "absent" leaves it out.
    token_lifetime_form: Literal["number", "text", "absent"] = "number"
    #: The HTTP status with which a token is handed out.
    token_status: Literal[200, 201, 203] = 200
    #: The only way in which the token endpoint takes client id and secret; None takes any.
    token_auth: TokenAuth | None = None
    #: What the token endpoint does in place of handing out tokens.
    token_down: TokenFailure | None = None
    #: What goes wrong with the next requests for a list and for a token, one after the other.
    list_answers: tuple[Fault, ...] = ()
    token_answers: tuple[Fault, ...] = ()
    revoked: bool = False
    forbidden: bool = False
    down: DownMode | None = None
    #: The client's address, with the secret part in it; None is never called.
    webhook_url: str | None = None

    @property
    def least_interval(self) -> float:
        """Seconds between two requests for one order."""
        if self.minimum is not None:
            return self.minimum
        return VOORDEMENSEN_MINIMUM if self.provider == "voordemensen" else 0.0


class AccountUpdate(_ScriptModel):
    """A change of an account at run time. Only the fields given are changed."""

    revoked: bool = False
    forbidden: bool = False
    down: DownMode | None = None
    token_auth: TokenAuth | None = None
    token_down: TokenFailure | None = None
    rate: RateScript | None = None
    minimum: NonNegativeFloat | None = None
    webhook_url: str | None = None
    #: Voids every OAuth token handed out so far.
    expire_tokens: bool = False


class Script(_ScriptModel):
    """A whole run. Each provider has an account `default` unless the script describes it otherwise."""

    accounts: tuple[AccountScript, ...] = ()
    orders: tuple[OrderScript, ...] = ()
    #: Requests that arrive this soon after a 429 was sent were evidently under way before it.
    grace: NonNegativeFloat = 0.25
    #: How long a minute of the providers' schedules of repeated calls takes.
    push_minute: PositiveFloat = 60.0
    #: How much longer the network may hold up one request than another; widens the rate's burst by as much.
    jitter: NonNegativeFloat = 0.0


def load(path: Path) -> Script:
    """Read a script from a `.toml` file or, with any other name, from JSON.

    Raises:
        OSError: where the file cannot be read.
        pydantic.ValidationError: with every mistake in it.
        tomllib.TOMLDecodeError: where it is no TOML.
    """
    if path.suffix == ".toml":
        return Script.model_validate(tomllib.loads(path.read_text("utf-8")))
    return Script.model_validate_json(path.read_bytes())
