"""The interface for providers that send webhooks: verify and read a push, and build the response. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from willcall.orders.pushes import OrderProgress, Push


@dataclass(frozen=True, slots=True)
class PushRequest:
    """One webhook call, as received. Header names are in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedPush:
    """A push about one order.

    `kind` is the provider's name for the type of push, `word` its status word, if any. `files` are the contents that it
    brings, one per ticket of a `TicketsPush` (`None`: that ticket has no file).
    """

    reference: str = field(repr=False)
    kind: str
    push: Push
    word: str | None = None
    files: tuple[bytes | None, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class UnverifiedPush:
    """A call without the provider's valid signature. It is ignored."""


@dataclass(frozen=True, slots=True)
class UnreadablePush:
    """An authentic call that cannot be read, or that names no order."""

    detail: str


@dataclass(frozen=True, slots=True)
class IgnoredPush:
    """An authentic call about something else than an order. There is nothing to do, and nothing wrong with it."""

    detail: str


PushReading = ParsedPush | UnverifiedPush | UnreadablePush | IgnoredPush


@dataclass(frozen=True, slots=True)
class PushResponse:
    """The response to the provider."""

    status: int
    body: str = ""
    content_type: str | None = None


class Pushes(Protocol):
    """Reads one provider's pushes and builds the responses, sans I/O."""

    #: Largest body of a call, bytes; `None`: `api.max_webhook_bytes`, for calls that bring files.
    max_bytes: int | None

    def read_push(self, request: PushRequest, credentials: Any, /) -> PushReading:
        """Return what a call means. Never raises, whatever the bytes. `detail` never quotes them."""

    def answer_push(self, reading: PushReading, progress: OrderProgress, credentials: Any, /) -> PushResponse:
        """Return the response in the provider's own form, given the result of the push."""
