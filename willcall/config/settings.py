"""The settings: every table of the configuration but `providers`, with its defaults."""

from base64 import b64decode
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from willcall.http.address_guard import parse_allowed
from willcall.providers.credentials import LINE_BREAK, check_line
from willcall.stores.documents_url import check_documents_url
from willcall.stores.redis_urls import SENTINEL_SCHEME, check_options, is_sentinel, read_sentinel_url

#: A key that operators enter on a public login page must be hard to guess.
SHORTEST_OPERATOR_KEY = 16

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ConfigTable(BaseModel):
    """Base of all tables: unknown keys and text of several lines are errors; errors do not show values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _lines = field_validator("*")(check_line)


def _allowed(entry: str) -> str:
    parse_allowed(entry)
    return entry


def _bearer(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"must be printable ASCII without spaces, and not empty {LINE_BREAK}")
    return key


def _operator_key(key: SecretStr) -> SecretStr:
    if len(_bearer(key).get_secret_value()) < SHORTEST_OPERATOR_KEY:
        raise ValueError(f"must be {SHORTEST_OPERATOR_KEY} characters or more: openssl rand -hex 24")
    return key


class ApiSettings(ConfigTable):
    """The HTTP API. Without keys it refuses to listen beyond loopback. `operator_keys` open the order board."""

    keys: tuple[Annotated[SecretStr, AfterValidator(_bearer)], ...] = ()
    operator_keys: tuple[Annotated[SecretStr, AfterValidator(_operator_key)], ...] = ()
    max_webhook_bytes: int = Field(default=40 * 1024 * 1024, gt=0)


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
def _signing_secret(value: SecretStr) -> SecretStr:
    prefix, text = value.get_secret_value()[:6], value.get_secret_value()[6:]
    try:
        length = len(b64decode(text + "=" * (-len(text) % 4), validate=True))
    except ValueError:
        length = 0
    if prefix != "whsec_" or length not in range(24, 65):
        raise ValueError(f"must be whsec_ and the base64 of 24 to 64 random bytes {LINE_BREAK}")
    return value


def _ops_url(value: str) -> str:
    parts = urlsplit(_url(value, "http", "https"))
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("must have a host and no credentials")
    return value


class NotifySettings(ConfigTable):
    """How backends and operators are notified. Without a secret callbacks are unsigned.

    `ops_url` receives the operators' alerts. A throttled account is reported after `throttled_after` seconds.
    """

    secret: Annotated[SecretStr, AfterValidator(_signing_secret)] | None = None
    ops_url: Annotated[str, AfterValidator(_ops_url)] | None = Field(default=None, repr=False)
    throttled_after: Positive = 300.0


class OutboundSettings(ConfigTable):
    """Private networks, addresses and hosts that callback and document URLs may reach."""

    allow: tuple[Annotated[str, AfterValidator(_allowed)], ...] = ()


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
    expire: Positive = 10.0
    reconcile: Positive = 300.0
    inbox: Positive = 30.0
    prune: Positive = 3_600.0
    documents: Positive = 30.0
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
    return _url(value, "redis", "rediss", "unix", SENTINEL_SCHEME)


def _broker_url(value: str) -> str:
    return value and _url(value, "redis", "rediss", "redis+socket", SENTINEL_SCHEME, "amqp", "amqps")


def _url(value: str, *schemes: str) -> str:
    if is_sentinel(value):
        read_sentinel_url(value)
        return value
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - reading it raises for an invalid port
    except ValueError as error:
        raise ValueError(f"is not a URL: {str(error).partition(':')[0]}") from None
    if parts.scheme not in schemes:
        raise ValueError("must start with " + ", ".join(f"{scheme}://" for scheme in schemes))
    if parts.scheme in {"redis", "rediss", "unix", "redis+socket"}:
        check_options(value)
    return value


class Settings(ConfigTable):
    """All tables of the file but `providers`."""

    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(default="redis://localhost:6379/0", repr=False)
    broker_url: Annotated[str, AfterValidator(_broker_url)] = Field(default="", repr=False)
    documents_url: Annotated[str, AfterValidator(check_documents_url)] = Field(
        default="file://./var/documents", repr=False
    )
    api: ApiSettings = ApiSettings()
    notify: NotifySettings = NotifySettings()
    outbound: OutboundSettings = OutboundSettings()
    retention: RetentionSettings = RetentionSettings()
    sweeps: SweepSettings = SweepSettings()
    metrics: MetricsSettings = MetricsSettings()
