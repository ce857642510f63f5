"""Accounts at providers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from willcall.schemas.base import OneOf, Schema
from willcall.schemas.orders import Status

Health = Annotated[str, OneOf("ok", "throttled", "paused", "unauthorized", "down")]


@dataclass(frozen=True, kw_only=True)
class Rate(Schema):
    """`limit` requests per `period` seconds, up to `burst` at once."""

    limit: float
    period: float
    burst: int
    shared: str | None = None
    """The name under which several accounts share the rate and its tokens; null if the account has its own."""


@dataclass(frozen=True, kw_only=True)
class Backlog(Schema):
    """Open orders: scheduled for later, due now, or held until the account continues."""

    waiting: int
    due: int
    held: int


@dataclass(frozen=True, kw_only=True)
class UnderlyingHealth(Schema):
    """The health that an account has underneath a pause."""

    health: Health
    why: str | None
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Account(Schema):
    """One set of credentials at a provider."""

    account: str
    """`<provider>/<account>`"""
    health: Health
    why: str | None
    """The provider's HTTP status, or why there was no response."""
    since: datetime | None
    until: datetime | None
    """When a pause or throttle ends; null if it does not end by itself."""
    underlying: UnderlyingHealth | None
    """What else is wrong with a paused account; null if nothing is."""
    probe_at: datetime | None
    tokens: int | None
    """Requests that could be sent right now; null for clients, which share them."""
    rate: Rate
    throttles: int
    """429 responses in a row."""
    backlog: Backlog | None
    """Open orders; null for clients."""
    orders: Mapping[Status, int]
    """Number of orders by status; for clients, of their own."""


@dataclass(frozen=True, kw_only=True)
class AccountPage(Schema):
    """All configured accounts."""

    items: tuple[Account, ...]
    next_cursor: None = None


@dataclass(frozen=True, kw_only=True)
class ResumeResult(Schema):
    """Whether requests to the account continue."""

    resumed: bool
    """False while the provider's `Retry-After` lasts."""
    until: datetime | None
    """When the provider's `Retry-After` ends; null without one."""
