"""The format of scripts: accounts, orders, faults and pushes, as a JSON or TOML file.

Every field but `provider` and `reference` has a default. All durations are seconds. An order's clock starts when it is
added to the simulator.
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
NextPage = Literal["next_cursor", "cursor", "next", "pagination", "links", "_links"]
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
    """Immutable; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BodyEncoding(_ScriptModel):
    """How a body is encoded, and what its headers say about that, which may differ."""

    #: Any of Python's codecs; JSON is written in it without escapes.
    charset: str = "utf-8"
    #: Applied one after the other.
    codings: tuple[ContentCoding, ...] = ()
    #: The header's value; None leaves the header out.
    content_encoding: str | None = None
    content_type: str = "application/json"


class _Fault(_ScriptModel):
    """The fields of all faults. A 429 stops the whole account for `retry_after`, other responses their order."""

    #: How many requests in a row get it; None is all from then on.
    times: PositiveInt | None = 1
    retry_after: NonNegativeInt | None = None
    form: HintForm = "seconds"
    #: Further `Retry-After` headers; none of them may be longer.
    also: tuple[str, ...] = ()
    #: Seconds by which the server's clock is ahead, in `Date` and in the dates of `Retry-After`.
    clock: float = 0.0
    packing: BodyEncoding | None = None


class StatusFault(_Fault):
    """An error status. A 429, or a 403 with `retry_after`, stops the whole account for that long.

    The body has the provider's own form, or with `gateway` that of a content delivery network.
    """

    do: Literal["status"]
    status: Literal[202, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503]
    gateway: bool = False


class BadResponseFault(_Fault):
    """An unusable 200, a broken connection, or (`token_expired`) a bearer token that is invalid from now on.

    `usual` is the usual response, with the other fields of the fault.
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
    """`hang` waits `seconds` before the usual response; `slow_drip` sends the body over that time."""

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
    """The files of an order's tickets, and how they are served."""

    form: FileForm = "pdf"
    #: tixstock: responses contain the files themselves, in base64.
    inline: bool = False
    #: The form of that base64, also in the pushes that the provider sends by itself.
    encoding: Encoding = "standard"
    #: How many redirects lead to each file.
    redirects: NonNegativeInt = 0
    #: Whether an address redirects to itself and sets a cookie, until the client sends that cookie.
    cookie: bool = False
    #: The response before `documents_after`, with `retry_after`.
    unready: Literal["404", "202", "page"] = "404"
    retry_after: NonNegativeInt | None = None


class PushScript(_ScriptModel):
    """One push from the provider to its client, `after` seconds from when the order was added."""

    kind: Literal["eticket", "mobile", "mobile_link", "paper", "update", "notification"]
    after: NonNegativeFloat = 0.0
    #: tixstock: the index of the ticket that it contains, and the form of its file.
    ticket: NonNegativeInt = 0
    general_admission: bool = False
    form: FileForm = "pdf"
    #: The least size of a PDF in bytes.
    size: NonNegativeInt = 0
    row: str | None = "V"
    seat: str | None = "auto"
    listing: str = "9211231"
    proofs: NonNegativeInt = 0
    #: Whether it names a letter for the customer.
    additional_file: bool = False
    encoding: Encoding = "standard"
    #: The status word of an `update`.
    status: str = "Approved"
    #: Makes it unusable: no base64, no ticket, or a wrong signature.
    spoil: Literal["base64", "pdf", "signature"] | None = None
    #: How many times it is sent in a row.
    times: PositiveInt = 1

    def check(self, provider: str, quantity: int) -> None:
        """Raise ValueError if the provider sends no such push, or the order has no such ticket."""
        if provider != ("tiqets" if self.kind == "notification" else "tixstock"):
            raise ValueError(f"{provider} sends no {self.kind} push")
        if self.ticket >= quantity:
            raise ValueError(f"there is no ticket {self.ticket} in an order of {quantity}")


class OrderScript(_ScriptModel):
    """The responses for one reference over time.

    `expect` is the final status in a correct client. By default it follows from the other fields.
    """

    provider: ProviderName
    reference: str = Field(min_length=1)
    account: str = "default"
    #: funtrips and paylogic: also shown under `user:<external_user_id>`, or `me` / `mine` for these names.
    external_user_id: str | None = None
    quantity: PositiveInt = 1
    #: funtrips and paylogic: an old order in a user's list: its tickets were issued, and its event was over, this long
    #: before it was added.
    issued_ago: NonNegativeFloat | None = None
    #: funtrips and paylogic: how many times each record or ticket of the order is listed.
    listed_times: PositiveInt = 1
    #: funtrips: the form of a record. "nested" has objects for barcode, validity and PDF, an event and a customer.
    record_form: Literal["flat", "nested"] = "flat"
    #: funtrips: each ticket's number of barcodes, listed under `barcodes` if there are several.
    codes_per_ticket: PositiveInt = 1
    #: funtrips: the single-order call has one PDF of all tickets, instead of one each.
    record_pdf: bool = False
    #: funtrips: the tickets are listed with `deliverable: false` before that.
    deliverable_after: NonNegativeFloat | None = None
    #: funtrips and paylogic: how many entries a page of the user's list has; how funtrips names the next page.
    page_size: int = Field(default=20, ge=1, le=100)
    next_page: NextPage = "next_cursor"
    #: tixstock: webhooks name "TBC" for row and seat.
    placeholder_seats: bool = False
    #: paylogic: how many of the first tickets are transferred, hence void.
    transferred: NonNegativeInt = 0
    #: paylogic: the order is a combo: a parent product, with the tickets for its parts.
    combo: bool = False
    #: paylogic: the order links to its tickets, instead of containing them.
    linked: bool = False
    #: paylogic: the order only links to the download of its tickets.
    only_a_download: bool = False
    ready_after: NonNegativeFloat = 0.0
    ends: ScriptedEnd = "fulfilled"
    #: From when half of the tickets (at least one) exist; voordemensen reports `partial`.
    partial_after: NonNegativeFloat | None = None
    #: How long after issuing the order is cancelled.
    cancel_after: NonNegativeFloat | None = None
    pending_hint: PendingHint = PendingHint()
    #: paylogic: `fulfillment_starts_at`, and no e-ticket before.
    fulfillment_starts_after: NonNegativeFloat | None = None
    #: paylogic: from the first number of seconds on, fulfilment starts after the second.
    fulfillment_moves: tuple[NonNegativeFloat, NonNegativeFloat] | None = None
    #: paylogic: `needs_personalization` is true until then, and there is no e-ticket.
    needs_personalization_until: NonNegativeFloat | None = None
    #: The order's PDFs are not found before that.
    documents_after: NonNegativeFloat = 0.0
    document: DocumentScript = DocumentScript()
    #: How long the address of a PDF is valid, which each response signs anew; None is for good.
    link_life: PositiveFloat | None = None
    #: Faults for the first requests, before the usual responses.
    answers: tuple[Fault, ...] = ()
    #: tixstock and tiqets, if the account has a `webhook_url`; None is what the provider sends by itself.
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
    def bought(self) -> int:
        """How many tickets the customer bought. A combo is one, whatever its parts."""
        return 1 if self.combo else self.quantity

    @property
    def hopeless(self) -> bool:
        """Whether a fault for all requests hides the final status."""
        return any(fault.times is None and fault.do != "usual" for fault in self.answers)

    @property
    def expected(self) -> ExpectedStatus:
        """The final status in a correct client."""
        if self.expect is not None:
            return self.expect
        if self.ends == "never" or self.hopeless:
            return "expired"
        return self.ends if self.cancel_after is None else "cancelled"


class RateScript(_ScriptModel):
    """At most `burst` requests at once, and `limit` more per `period` seconds.

    `shared`: a name; the accounts whose rate has it are counted together.
    """

    limit: PositiveFloat
    period: PositiveFloat = 1.0
    burst: PositiveInt = 1
    shared: str | None = None


class AccountScript(_ScriptModel):
    """One set of credentials and its limits.

    `credentials` are named as in a client's account table (`api_key`, `client_id`, ...); those left out are
    the `default_credentials` of the provider, which differ from account to account.
    """

    provider: ProviderName
    name: str = "default"
    credentials: dict[str, str] = {}
    #: The rate that the ledger checks; None is unlimited. The simulator does not enforce it.
    rate: RateScript | None = None
    #: Least time between two requests for one order; None is the provider's own.
    minimum: NonNegativeFloat | None = None
    #: Life of an OAuth token.
    token_lifetime: PositiveInt = 3600
    #: How `expires_in` is written; "absent" leaves it out.
    token_lifetime_form: Literal["number", "text", "absent"] = "number"
    #: The HTTP status with which a token is handed out.
    token_status: Literal[200, 201, 203] = 200
    #: The only form in which the token endpoint accepts credentials; None accepts any.
    token_auth: TokenAuth | None = None
    #: What the token endpoint does instead of issuing tokens.
    token_down: TokenFailure | None = None
    #: Faults for the next requests for a list and for a token.
    list_answers: tuple[Fault, ...] = ()
    token_answers: tuple[Fault, ...] = ()
    #: How many entries a page of a list has; None is all of them in one, at funtrips its `page_size`.
    list_page_size: PositiveInt | None = None
    revoked: bool = False
    forbidden: bool = False
    down: DownMode | None = None
    #: The client's webhook address, with its token; None sends no pushes.
    webhook_url: str | None = None
    #: voordemensen: how long after its creation an order is paid, and faults for the next requests that create one.
    paid_after: NonNegativeFloat = 0.0
    checkout_answers: tuple[Fault, ...] = ()

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
    #: Expires every OAuth token issued so far.
    expire_tokens: bool = False
    #: Credentials that are accepted too from now on; those left out are as before.
    add_credentials: dict[str, str] = {}
    #: Revokes all credentials but the latest. OAuth tokens that they got stay valid.
    revoke_earlier: bool = False


class Script(_ScriptModel):
    """A whole run. Each provider has an account `default`, which the script may describe."""

    accounts: tuple[AccountScript, ...] = ()
    orders: tuple[OrderScript, ...] = ()
    #: Requests that arrive this soon after a 429 were under way before it.
    grace: NonNegativeFloat = 0.25
    #: The length of a minute in the schedules of repeated pushes.
    push_minute: PositiveFloat = 60.0
    #: How much longer the network may delay one request than another; the burst allows for it.
    jitter: NonNegativeFloat = 0.0


def load(path: Path) -> Script:
    """Read a script from a `.toml` file or, with any other name, from JSON.

    Raises:
        OSError: if the file cannot be read.
        pydantic.ValidationError: with every mistake in it.
        tomllib.TOMLDecodeError: if it is not TOML.
    """
    if path.suffix == ".toml":
        return Script.model_validate(tomllib.loads(path.read_text("utf-8")))
    return Script.model_validate_json(path.read_bytes())
