"""What an adapter can do where its provider calls back: verify and read a push, and answer it. No I/O.

An adapter whose provider does not call back has `pushes = None` (see `plain.NoPushes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, SecretStr

from willcall.orders.pushes import OrderProgress, Push
from willcall.providers.base import Credentials
from willcall.providers.safe import HeaderSecret


def _in_a_path(value: SecretStr) -> SecretStr:
    if any(sign in "/?#%" for sign in value.get_secret_value()):
        raise ValueError("must not hold any of / ? # %, for it is part of a URL's path")
    return value


class PushCredentials(Credentials):
    """The account's table where the provider calls back. `webhook_token` is the secret part of our address."""

    webhook_token: Annotated[HeaderSecret, AfterValidator(_in_a_path)] | None = None


def webhook_token(credentials: Credentials) -> str | None:
    """The secret part of the address that the provider calls, None where it is not to call."""
    token = credentials.webhook_token if isinstance(credentials, PushCredentials) else None
    return token.get_secret_value() if token else None


@dataclass(frozen=True, slots=True)
class PushRequest:
    """One call of a provider: the bytes as they came. Header names are in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedPush:
    """A push about one order. `kind` is the provider's own word for what it is, `word` its status word if any.

    `files` are the contents that came inside, one per ticket of a `TicketsPush` (None: that one has no file).
    """

    reference: str = field(repr=False)
    kind: str
    push: Push
    word: str | None = None
    files: tuple[bytes | None, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class UnverifiedPush:
    """Not signed as the provider signs: nothing in it counts."""


@dataclass(frozen=True, slots=True)
class UnreadablePush:
    """The provider's own, but we cannot tell what it says or which order it is about."""

    detail: str


PushReading = ParsedPush | UnverifiedPush | UnreadablePush


@dataclass(frozen=True, slots=True)
class PushResponse:
    """What the provider is answered."""

    status: int
    body: str = ""
    content_type: str | None = None


class Pushes(Protocol):
    """What one provider's pushes say, sans I/O."""

    #: Largest body of a call, bytes; None: `api.max_webhook_bytes`, for calls that bring files.
    largest: int | None

    def read_push(self, call: PushRequest, credentials: Any) -> PushReading:
        """The one thing that a call means; never raises, whatever the bytes. `detail` texts never quote them."""

    def answer_push(self, reading: PushReading, progress: OrderProgress, credentials: Any) -> PushResponse:
        """The answer in the provider's own form, given what became of the push."""
