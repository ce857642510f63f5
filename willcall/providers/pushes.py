"""What an adapter does where its provider calls back: verify and read a push, and answer it. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from willcall.orders.pushes import OrderProgress, Push


@dataclass(frozen=True, slots=True)
class PushRequest:
    """One call of a provider: the bytes as they came. Header names are in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedPush:
    """A push about one order. `kind` is the provider's word for what it is, `word` its status word if any.

    `files` are the contents that came with it, one per ticket of an `TicketsPush` (`None`: that ticket has no file).
    """

    reference: str = field(repr=False)
    kind: str
    push: Push
    word: str | None = None
    files: tuple[bytes | None, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class UnverifiedPush:
    """A call that is not signed as the provider signs. Nothing in it counts."""


@dataclass(frozen=True, slots=True)
class UnreadablePush:
    """The provider's own call, of which we cannot tell what it says or which order it is about."""

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

    #: Largest body of a call, bytes; `None`: `api.max_webhook_bytes`, for calls that bring files.
    max_bytes: int | None

    def read_push(self, request: PushRequest, credentials: Any, /) -> PushReading:
        """Return the one thing that a call means. Never raises, whatever the bytes. `detail` never quotes them."""

    def answer_push(self, reading: PushReading, progress: OrderProgress, credentials: Any, /) -> PushResponse:
        """Return the answer in the provider's own form, given what became of the push."""
