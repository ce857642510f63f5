"""What the API answers with. Fields that this version does not know are left aside, so that newer servers may add some.

Words that may grow (statuses, kinds, health) are plain strings. Moments are aware datetimes, UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from typing import Any, Self

#: Statuses that end an order. Two late truths are still taken: fulfilled -> cancelled, and expired -> any other end.
FINAL = frozenset({"fulfilled", "failed", "cancelled", "expired"})


_EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/vnd.apple.pkpass": ".pkpass",
    "application/vnd.apple.pkpasses": ".pkpasses",
    "application/zip": ".zip",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
}


class _Model:
    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The model from its JSON. Raises KeyError where a field is missing that has no default."""
        known = fields(cls)  # type: ignore[arg-type]  # all of them are dataclasses
        names = [one.name for one in known if one.name in document or one.default is MISSING]
        return cls(**{name: _READERS.get(name, _as_it_is)(document[name]) for name in names})


def _as_it_is(value: Any) -> Any:
    return value


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@dataclass(frozen=True)
class Ticket(_Model):
    """What the customer needs to get in.

    `kind`: pdf, barcode, link, wallet, page, shipment, image, archive. `document` is the id of a file to download
    with `Client.document`, `content_type` its media type. `extra` is what the provider says beyond our words.
    """

    kind: str
    document: str | None
    url: str | None = field(repr=False)
    code: str | None = field(repr=False)
    code_format: str | None
    section: str | None
    row: str | None
    seat: str | None
    valid_from: str | None
    valid_until: str | None
    extra: Mapping[str, Any] = field(repr=False)
    #: Not in the events of older servers.
    content_type: str | None = None

    @property
    def file_name(self) -> str | None:
        """A name for the document, with the extension of its type; None without a document."""
        return self.document and self.document + _EXTENSIONS.get(self.content_type or "application/pdf", "")


@dataclass(frozen=True)
class Order(_Model):
    """One purchase whose tickets are awaited."""

    id: str
    provider: str
    account: str
    reference: str = field(repr=False)
    status: str
    attention: str | None
    reason: str | None
    provider_status: str | None
    quantity: int | None
    attempts: int
    submitted_at: datetime
    not_before: datetime | None
    next_poll_at: datetime | None
    deadline_at: datetime
    finished_at: datetime | None
    tickets: tuple[Ticket, ...]
    callback_url: str | None = field(repr=False)
    metadata: Mapping[str, str]

    @property
    def final(self) -> bool:
        """Whether it is asked about no more by itself."""
        return self.status in FINAL


@dataclass(frozen=True)
class Attempt(_Model):
    """One request about an order. `countdown` (seconds) is None where no further one follows; `late`: seconds."""

    at: datetime
    outcome: str
    http_status: int | None
    countdown: float | None
    why: str
    late: float


@dataclass(frozen=True)
class Event(_Model):
    """One change of an order's status: `type` is `order.<status>`, `data` the order as it was then."""

    id: str
    type: str
    order_id: str
    occurred_at: datetime
    data: Order


@dataclass(frozen=True)
class Beneath(_Model):
    """What a pause covers: an account that is refused or down, since when and why."""

    health: str
    why: str | None
    since: datetime | None


@dataclass(frozen=True)
class Resumed(_Model):
    """What became of a resume: whether requests go on at once, or when the provider's hint ends, which stands."""

    resumed: bool
    until: datetime | None


@dataclass(frozen=True)
class Account(_Model):
    """One set of credentials at a provider; `account` is `<provider>/<name>`.

    `health`: ok, throttled, paused, unauthorized, down; `why` is what the provider said. `beneath`: what else a
    paused account is. `orders`: how many by status. `backlog`: open orders that are `waiting`, `due` or `held`.
    """

    account: str
    health: str
    why: str | None
    since: datetime | None
    until: datetime | None
    beneath: Beneath | None
    probe_at: datetime | None
    tokens: int
    rate: Mapping[str, float]
    throttles: int
    backlog: Mapping[str, int]
    orders: Mapping[str, int]


#: Fields that are not taken as they come, whichever model they stand in.
_READERS: dict[str, Callable[[Any], Any]] = {
    "at": _moment,
    "submitted_at": _moment,
    "not_before": _moment,
    "next_poll_at": _moment,
    "deadline_at": _moment,
    "finished_at": _moment,
    "occurred_at": _moment,
    "since": _moment,
    "until": _moment,
    "beneath": lambda document: None if document is None else Beneath.read(document),
    "probe_at": _moment,
    "tickets": lambda documents: tuple(map(Ticket.read, documents)),
    "data": Order.read,
}


@dataclass(frozen=True)
class Problem:
    """An error in the API's words (RFC 9457). `errors`: the fields that are wrong, each with what about it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, document: object, status: int) -> "Problem":
        """The problem from what was answered, which may come from a proxy and be none of ours."""
        found = document if isinstance(document, Mapping) else {}
        errors = found.get("errors") or ()
        return cls(
            type=str(found.get("type", "about:blank")),
            title=str(found.get("title", "")),
            status=status,
            detail=str(found.get("detail") or found.get("title") or f"HTTP {status}"),
            request_id=found.get("request_id"),
            errors=tuple((str(one.get("field", "")), str(one.get("message", ""))) for one in errors),
        )


@dataclass(frozen=True)
class BatchResult:
    """What became of one order of a batch: `order` where it is taken (201 new, 200 known), else `error`."""

    id: str | None
    status_code: int
    order: Order | None
    error: Problem | None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "BatchResult":
        """The result from its JSON."""
        status, order, error = document["status_code"], document.get("order"), document.get("error")
        return cls(
            document["id"],
            status,
            Order.read(order) if order else None,
            Problem.read(error, status) if error else None,
        )
