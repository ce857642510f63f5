"""The configuration: one TOML file, environment variables over it, every mistake reported at once."""

import json
import os
import re
import tomllib
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from willcall.environment import FILE_VARIABLE, overlay
from willcall.http.address_guard import parse_allowed
from willcall.http.messages import HttpLimits
from willcall.orders.errors import FieldError, UnknownAccountError, WillcallError
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.submission import NAME_PATTERN, field_errors_of
from willcall.providers.base import Account, Adapter
from willcall.providers.credentials import LINE_BREAK, check_line, webhook_token
from willcall.providers.registry import ADAPTERS
from willcall.stores import sentinel
from willcall.stores.file_storage import check_url
from willcall.stores.redis_url import check_options

DEFAULT_FILE = "willcall.toml"
#: A key that people type into a form of the open web must not be guessed.
SHORTEST_OPERATOR_KEY = 16

#: What an order can give as its `account`.
_NAME = re.compile(NAME_PATTERN)
_PROVIDERS = ", ".join(sorted(ADAPTERS))

Part = TypeVar("Part", bound=BaseModel)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ConfigError(WillcallError):
    """A configuration that cannot be used."""

    def __init__(self, problems: list[FieldError]) -> None:
        """`problems`: every mistake, at once."""
        super().__init__("\n".join(map(str, problems)))
        self.errors = problems


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the first number must not be above the second")
    return value


Span = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]


def _allowed(entry: str) -> str:
    parse_allowed(entry)
    return entry


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _lines = field_validator("*")(check_line)


def _bearer(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"must be printable ASCII without spaces, and not empty {LINE_BREAK}")
    return key


def _operator_key(key: SecretStr) -> SecretStr:
    if len(_bearer(key).get_secret_value()) < SHORTEST_OPERATOR_KEY:
        raise ValueError(f"must be {SHORTEST_OPERATOR_KEY} characters at least: openssl rand -hex 24")
    return key


class Api(_Table):
    """The HTTP API. Without keys it refuses to listen beyond loopback.

    `operator_keys` open the order board, where nobody but operators is let in.
    """

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
    if prefix != "whsec_" or not 24 <= length <= 64:  # noqa: PLR2004 - the standard's bounds
        raise ValueError(f"must be whsec_ and the base64 of 24 to 64 random bytes {LINE_BREAK}")
    return value


def _ops_url(value: str) -> str:
    parts = urlsplit(_url(value, "http", "https"))
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("must name a host, and hold no credentials")
    return value


class Notify(_Table):
    """How backends, and operators, are told. Without a secret callbacks go out unsigned.

    `ops_url` is where operators are told; that an account is throttled is told after `throttled_after` seconds of it.
    """

    secret: Annotated[SecretStr, AfterValidator(_signing_secret)] | None = None
    ops_url: Annotated[str, AfterValidator(_ops_url)] | None = Field(default=None, repr=False)
    throttled_after: Positive = 300.0


class Outbound(_Table):
    """Networks, addresses and hosts, private ones, that callback and document URLs may reach."""

    allow: tuple[Annotated[str, AfterValidator(_allowed)], ...] = ()


class Retention(_Table):
    """How long final orders and events are kept, seconds."""

    orders: Positive = 90 * 86_400.0
    events: Positive = 30 * 86_400.0


class Sweeps(_Table):
    """How often beat's sweeps run and how they judge, seconds.

    `grace`: an order or a delivery is overdue this long after its due time. `late_every`, `late_for`: expired orders
    are asked for again this often, and for this long. `booked_ahead`: an account whose last booked request is further
    ahead is told of.
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


class Metrics(_Table):
    """Where a worker serves its metrics: the first free port from `port` upwards; 0: nowhere."""

    host: str = "127.0.0.1"
    port: int = Field(default=9464, ge=0, le=65_535)


class _RateTable(_Table):
    limit: Positive
    period: Positive
    burst: Annotated[int, Field(ge=1)]


class _PollingTable(_Table):
    strategy: Literal["exponential", "interval"]
    initial: Positive
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    cap: Positive
    interval: Span
    minimum: NotNegative
    ceiling: Positive
    missing_grace: NotNegative

    @model_validator(mode="after")
    def _cap_above_initial(self) -> "_PollingTable":
        if self.cap < self.initial:
            raise ValueError("cap must not be below initial")
        return self


class _HealthTable(_Table):
    probe: Span = (30.0, 600.0)
    throttle_pause: Positive = 60.0


class _HttpTable(_Table):
    connect_timeout: Positive = 3.0
    read_timeout: Positive = 10.0
    total_timeout: Positive = 20.0
    max_bytes: Annotated[int, Field(gt=0)] = 10_000_000


def _redis_url(value: str) -> str:
    return _url(value, "redis", "rediss", "unix", sentinel.SCHEME)


def _broker_url(value: str) -> str:
    return value and _url(value, "redis", "rediss", "redis+socket", sentinel.SCHEME, "amqp", "amqps")


def _url(value: str, *schemes: str) -> str:
    if sentinel.is_sentinel(value):
        sentinel.read_url(value)
        return value
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - a port that is no number is noticed when it is read
    except ValueError as error:
        raise ValueError(f"is no URL: {str(error).partition(':')[0]}") from None
    if parts.scheme not in schemes:
        raise ValueError("must start with " + ", ".join(f"{scheme}://" for scheme in schemes))
    if parts.scheme in {"redis", "rediss", "unix", "redis+socket"}:
        check_options(value)
    return value


class Settings(_Table):
    """The file's tables but the accounts, which are read by their providers' own rules."""

    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(default="redis://localhost:6379/0", repr=False)
    broker_url: Annotated[str, AfterValidator(_broker_url)] = Field(default="", repr=False)
    documents_url: Annotated[str, AfterValidator(check_url)] = Field(default="file://./var/documents", repr=False)
    api: Api = Api()
    notify: Notify = Notify()
    outbound: Outbound = Outbound()
    retention: Retention = Retention()
    sweeps: Sweeps = Sweeps()
    metrics: Metrics = Metrics()


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `accounts` by their key, `<provider>/<account>`."""

    settings: Settings
    accounts: Mapping[str, Account]

    def account(self, provider: str, name: str) -> Account:
        """One account. Raises UnknownAccountError."""
        return find_account(self.accounts, provider, name)

    @property
    def broker_url(self) -> str:
        """Where task messages go: the state's Redis unless the file says otherwise."""
        url = self.settings.broker_url or self.settings.redis_url
        return url.replace("unix://", "redis+socket://", 1)


def find_account(accounts: Mapping[str, Account], provider: str, name: str) -> Account:
    """One account. Raises UnknownAccountError, which names those that there are."""
    try:
        return accounts[f"{provider}/{name}"]
    except KeyError:
        raise UnknownAccountError(f"{provider}/{name}", sorted(accounts)) from None


def load(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Config:
    """Read the file and the environment. Raises ConfigError with every mistake in them."""
    environment = os.environ if environment is None else environment
    document, problems = _read_file(environment, folder or Path())
    problems += overlay(document, environment, {*Settings.model_fields, "providers"}, _annotation)
    accounts, account_problems = _accounts(document.pop("providers", {}))
    settings = Settings()
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        problems += field_errors_of(error)
    problems += account_problems
    if problems:
        raise ConfigError(problems)
    return Config(settings, accounts)


def _read_file(environment: Mapping[str, str], folder: Path) -> tuple[dict[str, Any], list[FieldError]]:
    named = environment.get(FILE_VARIABLE)
    path = Path(named) if named else folder / DEFAULT_FILE
    if not named and not path.exists():
        return {}, []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        return {}, [FieldError(str(path), f"cannot be read: {reason}")]
    except tomllib.TOMLDecodeError as error:
        return {}, [FieldError(str(path), f"is not TOML: {error}")]


def _annotation(path: Sequence[str]) -> Any:
    """Return the type that the configuration wants at a path, or `None` where it is not known."""
    kind: Any = Settings
    if path[0] == "providers":
        adapter = ADAPTERS.get(path[1]) if len(path) > 1 else None
        kind, path = adapter and adapter.credentials, path[3:]
    for name in path:
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
        kind = fields[name].annotation if name in fields else None
    return kind


def _accounts(providers: object) -> tuple[dict[str, Account], list[FieldError]]:
    accounts: dict[str, Account] = {}
    errors: list[FieldError] = []
    if not isinstance(providers, dict):
        return {}, [FieldError("providers", "must be a table")]
    for provider, tables in providers.items():
        adapter = ADAPTERS.get(provider)
        if adapter is None:
            known = f"write {provider.lower()}" if provider.lower() in ADAPTERS else f"there is {_PROVIDERS}"
            errors.append(FieldError(f"providers.{_quoted(provider)}", f"is no provider; {known}"))
        elif not isinstance(tables, dict) or not tables or not all(isinstance(each, dict) for each in tables.values()):
            hint = f"must hold a table per account, such as [providers.{provider}.default]"
            errors.append(FieldError(f"providers.{provider}", hint))
        else:
            errors += _name_problems(provider, tables)
            for name, table in tables.items():
                account = _account(adapter, name, dict(table), errors)
                if account:
                    accounts[account.key] = account
    return accounts, errors


def _name_problems(provider: str, names: Iterable[str]) -> Iterator[FieldError]:
    """Yield what is wrong with the names of a provider's accounts: what no order, or no variable, could name."""
    before: dict[str, str] = {}
    for name in names:
        path, twin = f"providers.{provider}.{_quoted(name)}", before.setdefault(name.lower(), name)
        if not _NAME.fullmatch(name):
            yield FieldError(path, "no order can name this account: up to 64 letters, digits, _ and -, no _ or - first")
        elif twin != name:
            yield FieldError(path, f"differs from {twin} in case alone, and the environment is read in lower case")


def _quoted(name: str) -> str:
    """Return a key as TOML has it: bare where that can be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _account(adapter: Adapter, name: str, table: dict[str, Any], problems: list[FieldError]) -> Account | None:
    path = f"providers.{adapter.name}.{_quoted(name)}"
    before = len(problems)
    defaults = adapter.defaults
    given = {name: table.pop(name, {}) for name in ("rate", "polling", "health", "http")}
    credentials = _part(adapter.credentials, {}, table, path, problems)
    rate = _part(_RateTable, asdict(defaults.rate), given["rate"], f"{path}.rate", problems)
    polling_defaults = _polling_defaults(defaults.polling, calls_back=bool(credentials and webhook_token(credentials)))
    polling = _part(_PollingTable, polling_defaults, given["polling"], f"{path}.polling", problems)
    health = _part(_HealthTable, {}, given["health"], f"{path}.health", problems)
    http = _part(_HttpTable, {}, given["http"], f"{path}.http", problems)
    if len(problems) > before or not (rate and polling and health and http and credentials):
        return None
    policy = PollPolicy(**polling.model_dump(), throttle_pause=health.throttle_pause)
    return Account(
        provider=adapter.name,
        name=name,
        adapter=adapter,
        credentials=credentials,
        rate=Rate(**rate.model_dump()),
        polling=replace(policy, minimum=max(policy.minimum, adapter.shortest_interval)),
        probe_interval=health.probe,
        http=HttpLimits(**http.model_dump()),
    )


def _polling_defaults(policy: PollPolicy, *, calls_back: bool) -> dict[str, Any]:
    """The provider's own; where it tells us by itself, polling is a safety net at the slow cadence."""
    fields = {key: value for key, value in asdict(policy).items() if key != "throttle_pause"}
    return fields | {"strategy": "interval"} if calls_back else fields


def _part(
    model: type[Part], defaults: Mapping[str, Any], given: object, path: str, problems: list[FieldError]
) -> Part | None:
    """One table of an account, over the provider's defaults."""
    if not isinstance(given, dict):
        problems.append(FieldError(path, "must be a table"))
        return None
    try:
        return model.model_validate({**defaults, **given})
    except ValidationError as error:
        problems += [
            FieldError(".".join(filter(None, [path, item.field])), item.message) for item in field_errors_of(error)
        ]
        return None
