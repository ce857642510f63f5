"""The settings: every table of the configuration but `providers`, with its defaults."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from willcall.config.clients import CallbackUrl, Clients
from willcall.config.routes import RouteTable
from willcall.http.address_guard import parse_allowed
from willcall.orders.submission import Name
from willcall.setting_types.secrets import Key, OneOrMore, SigningSecret, ZeroOrMore
from willcall.setting_types.table import ConfigTable
from willcall.stores.documents_url import check_documents_url
from willcall.stores.redis_address import parse_address
from willcall.stores.redis_options import check_tls_files

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _allowed(entry: str) -> str:
    parse_allowed(entry)
    return entry


class OperatorTable(ConfigTable):
    """An operator by name."""

    keys: OneOrMore[Key]


def _public_url(value: str) -> str:
    parts = urlsplit(value and _url(value, "http", "https"))
    if value and (not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment):
        raise ValueError("must have a host, and no credentials and no query")
    return value


class ApiSettings(ConfigTable):
    """The HTTP API. Without keys it refuses to listen beyond loopback. Operators' keys open the order board.

    `public_url` is where the world reaches the API: customers come back from a payment there.
    """

    keys: ZeroOrMore[Key] = ()
    operator_keys: ZeroOrMore[Key] = ()
    clients: Clients = Field(default_factory=dict)
    operators: Mapping[Name, OperatorTable] = Field(default_factory=dict)
    max_webhook_bytes: int = Field(default=40 * 1024 * 1024, gt=0)
    public_url: Annotated[str, AfterValidator(_public_url)] = ""

    @property
    def all_operator_keys(self) -> tuple[SecretStr, ...]:
        """The keys of operators, with and without names."""
        return tuple(key for keys in self.operator_keys_by_name.values() for key in keys)

    @property
    def operator_keys_by_name(self) -> dict[str | None, tuple[SecretStr, ...]]:
        """The keys of operators by name; those without names under `None`."""
        return {None: self.operator_keys, **{name: operator.keys for name, operator in self.operators.items()}}


def _ops_url(value: str) -> str:
    parts = urlsplit(_url(value, "http", "https"))
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("must have a host and no credentials")
    return value


class NotifySettings(ConfigTable):
    """How backends and operators are notified. Without a secret callbacks are unsigned; of several, all sign.

    `callback_url` receives the events of orders without one of their own. `ops_url` receives the operators' alerts. A
    throttled account is reported after `throttled_after` seconds. An order without all its tickets is at risk
    `at_risk` seconds before its event. `order.fulfilled` waits up to `wait_for_documents` seconds for the files of the
    tickets.
    """

    secret: ZeroOrMore[SigningSecret] = ()
    callback_url: CallbackUrl = Field(default=None, repr=False)
    ops_url: Annotated[str, AfterValidator(_ops_url)] | None = Field(default=None, repr=False)
    throttled_after: Positive = 300.0
    at_risk: NotNegative = 86_400.0
    wait_for_documents: NotNegative = 0.0


class OutboundSettings(RouteTable):
    """How callback and document URLs are reached. `allow`: private networks, addresses and hosts among them."""

    allow: ZeroOrMore[Annotated[str, AfterValidator(_allowed)]] = ()


class RetentionSettings(ConfigTable):
    """How long final orders and events are stored, seconds."""

    orders: Positive = 90 * 86_400.0
    events: Positive = 30 * 86_400.0


class SweepSettings(ConfigTable):
    """How often beat's sweeps run, and what they look for, seconds.

    `grace`: an order or a delivery is overdue this long after its due time. `late_every`, `late_for`: expired orders
    are polled this often, and for this long. `booked_ahead`: an account whose last booked request is further ahead
    raises an alert.
    """

    polls: Positive = 10.0
    notify: Positive = 10.0
    events: Positive = 1.0
    expire: Positive = 10.0
    reconcile: Positive = 300.0
    watch: Positive = 60.0
    lists: Positive = 300.0
    inbox: Positive = 30.0
    prune: Positive = 3_600.0
    documents: Positive = 30.0
    reports: Positive = 10.0
    alerts: Positive = 10.0
    grace: Positive = 15.0
    late_every: Positive = 6 * 3_600.0
    late_for: Positive = 7 * 86_400.0
    booked_ahead: Positive = 900.0

    @property
    def intervals(self) -> dict[str, float]:
        """How often beat starts each sweep, by its name."""
        return self.model_dump(exclude={"grace", "late_every", "late_for", "booked_ahead"})


class MetricsSettings(ConfigTable):
    """Where a worker serves its metrics: on the first free port from `port` upwards, or nowhere with port 0."""

    host: str = "127.0.0.1"
    port: int = Field(default=9464, ge=0, le=65_535)


def _redis_url(value: str) -> str:
    check_tls_files(parse_address(value).tls_options)
    return value


def _broker_url(value: str) -> str:
    if value.lower().startswith(("amqp://", "amqps://")):
        return _url(value, "amqp", "amqps")
    return value and _redis_url(value)


def _url(value: str, *schemes: str) -> str:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it raises for an invalid port
    except ValueError:
        raise ValueError("is not a URL, or its port is not a number") from None
    if parts.scheme not in schemes:
        raise ValueError("must start with " + ", ".join(f"{scheme}://" for scheme in schemes))
    return value


class LogFormat(StrEnum):
    """How log lines are written: for people or as JSON. `auto`: for people if they go to a terminal."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class Settings(ConfigTable):
    """All tables of the file but `providers`."""

    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(default="redis://localhost:6379/0", repr=False)
    broker_url: Annotated[str, AfterValidator(_broker_url)] = Field(default="", repr=False)
    documents_url: Annotated[str, AfterValidator(check_documents_url)] = Field(
        default="file://./var/documents", repr=False
    )
    log_format: LogFormat = LogFormat.AUTO
    api: ApiSettings = ApiSettings()
    notify: NotifySettings = NotifySettings()
    outbound: OutboundSettings = OutboundSettings()
    retention: RetentionSettings = RetentionSettings()
    sweeps: SweepSettings = SweepSettings()
    metrics: MetricsSettings = MetricsSettings()

    @property
    def signs_callbacks(self) -> bool:
        """Whether every backend that is configured gets signed callbacks."""
        clients = self.api.clients.values()
        return bool(self.notify.secret or (clients and not self.api.keys and all(client.secret for client in clients)))

    def knows(self, client: str | None) -> bool:
        """Return whether the owner of an order is configured; an order without a client has always one."""
        return client is None or client in self.api.clients

    def callback_url(self, client: str | None, own: str | None) -> str | None:
        """Return where events of an order are sent: to its own address, its client's, or the general one.

        It is empty if the client is not configured: only its configuration would tell.
        """
        if own or client is None:
            return own or self.notify.callback_url
        known = self.api.clients.get(client)
        return known.callback_url or self.notify.callback_url if known else ""

    def signing_secrets(self, client: str | None) -> tuple[SecretStr, ...]:
        """Return the secrets that sign events of an order. Raises KeyError if its client is not configured."""
        own = self.api.clients[client].secret if client is not None else ()
        return own or self.notify.secret
