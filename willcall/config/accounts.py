"""Read the accounts: the `providers` tables of the configuration, over the defaults of each provider."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from willcall.config.routes import RouteTable
from willcall.config.schema import Schema, nearest, suggestion, table_errors, table_schema
from willcall.config.settings import Positive
from willcall.http.messages import HttpLimits
from willcall.orders.errors import FieldError, UnknownAccountError
from willcall.orders.policy import PollPolicy, Rate
from willcall.orders.submission import NAME_PATTERN
from willcall.providers.base import Account, Adapter
from willcall.providers.credentials import webhook_tokens
from willcall.providers.registry import ADAPTERS
from willcall.setting_types.table import ConfigTable

#: Names that an order can have as its `account`.
_NAME = re.compile(NAME_PATTERN)
_PROVIDERS = ", ".join(sorted(ADAPTERS))

Table = TypeVar("Table", bound=BaseModel)
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the first number must not be above the second")
    return value


Interval = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]


class _RateTable(ConfigTable):
    limit: Positive
    period: Positive
    burst: Annotated[int, Field(ge=1)]
    shared: Annotated[str, Field(pattern=NAME_PATTERN)] | None = None


class _PollingTable(ConfigTable):
    strategy: Literal["exponential", "interval"]
    initial: Positive
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    cap: Positive
    interval: Interval
    minimum: NotNegative
    ceiling: Positive
    missing_grace: NotNegative

    @model_validator(mode="after")
    def _cap_above_initial(self) -> "_PollingTable":
        if self.cap < self.initial:
            raise ValueError("cap must not be below initial")
        return self


class _HealthTable(ConfigTable):
    probe: Interval = (30.0, 600.0)
    throttle_pause: Positive = 60.0


class _HttpTable(RouteTable):
    connect_timeout: Positive
    read_timeout: Positive
    total_timeout: Positive
    max_bytes: Annotated[int, Field(gt=0)]


class _AccountTable(ConfigTable):
    """What an account's table has besides other tables and credentials."""

    retention: Positive | None = None
    keep_holder: bool = False


#: The tables within an account's table.
ACCOUNT_TABLES: Mapping[str, type[ConfigTable]] = {
    "rate": _RateTable,
    "polling": _PollingTable,
    "health": _HealthTable,
    "http": _HttpTable,
}


def find_account(accounts: Mapping[str, Account], provider: str, name: str) -> Account:
    """Return an account. Raises UnknownAccountError, which lists the configured ones."""
    try:
        return accounts[f"{provider}/{name}"]
    except KeyError:
        raise UnknownAccountError(f"{provider}/{name}", sorted(accounts)) from None


def read_accounts(providers: object) -> tuple[dict[str, Account], list[FieldError]]:
    """Return the accounts by their key, and every error in their tables."""
    if not isinstance(providers, dict):
        return {}, [FieldError("providers", "must be a table")]
    accounts: dict[str, Account] = {}
    errors: list[FieldError] = []
    for provider, tables in providers.items():
        adapter = ADAPTERS.get(provider)
        if adapter is None:
            errors.append(_unknown_provider(provider))
        elif not isinstance(tables, dict) or not tables or not all(isinstance(each, dict) for each in tables.values()):
            hint = f"needs one table per account, such as [providers.{provider}.default]"
            errors.append(FieldError(f"providers.{provider}", hint))
        else:
            errors += _name_errors(provider, tables)
            for name, table in tables.items():
                account = _read_account(adapter, name, dict(table), errors)
                if account:
                    accounts[account.key] = account
    return accounts, [*errors, *_shared_rate_errors(accounts.values())]


def account_schema(adapter: Adapter) -> Mapping[str, Schema]:
    """Return the schema of an account's table."""
    own = {**table_schema(adapter.credentials), **table_schema(_AccountTable)}
    return {**own, **{name: table_schema(one) for name, one in ACCOUNT_TABLES.items()}}


def _unknown_provider(name: str) -> FieldError:
    known = suggestion(nearest(name.lower(), ADAPTERS)) or f"; known providers: {_PROVIDERS}"
    return FieldError(f"providers.{_quoted(name)}", f"unknown provider{known}")


def _name_errors(provider: str, names: Iterable[str]) -> Iterator[FieldError]:
    """Yield an error for each account name that orders or environment variables cannot contain."""
    before: dict[str, str] = {}
    for name in names:
        path, twin = f"providers.{provider}.{_quoted(name)}", before.setdefault(name.lower(), name)
        if not _NAME.fullmatch(name):
            what = "account names have 1 to 64 letters, digits, _ and -, starting with a letter or digit"
            yield FieldError(path, what)
        elif twin != name:
            yield FieldError(
                path, f"differs from {twin} only in case, and environment variables are read in lower case"
            )


def _shared_rate_errors(accounts: Iterable[Account]) -> Iterator[FieldError]:
    """Yield an error for each name of a shared rate whose accounts do not all have the same rate."""
    sharing: dict[str, list[Account]] = {}
    for account in accounts:
        if account.rate.shared:
            sharing.setdefault(account.rate.shared, []).append(account)
    for name, group in sharing.items():
        if len({account.rate for account in group}) > 1:
            rates = "; ".join(
                f"{each.key} has limit {each.rate.limit:g}, period {each.rate.period:g}, burst {each.rate.burst}"
                for each in group
            )
            paths = ", ".join(f"providers.{each.provider}.{_quoted(each.name)}.rate" for each in group)
            yield FieldError(paths, f"share {name!r} and must have the same limit, period and burst: {rates}")


def _quoted(name: str) -> str:
    """Return a key as TOML writes it, in quotes only if needed."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _read_account(adapter: Adapter, name: str, table: dict[str, Any], errors: list[FieldError]) -> Account | None:
    """Return an account, or `None` after adding what is wrong with its table to `errors`."""
    path = f"providers.{adapter.name}.{_quoted(name)}"
    given = {part: table.pop(part, {}) for part in ACCOUNT_TABLES}
    own = {name: table.pop(name) for name in _AccountTable.model_fields if name in table}
    settings = _read_table(_AccountTable, {}, own, path, errors)
    credentials = _read_table(adapter.credentials, {}, table, path, errors, schema=account_schema(adapter))
    defaults = _polling_defaults(adapter.defaults.polling, calls_back=bool(credentials and webhook_tokens(credentials)))
    rate = _read_table(_RateTable, asdict(adapter.defaults.rate), given["rate"], f"{path}.rate", errors)
    polling = _read_table(_PollingTable, defaults, given["polling"], f"{path}.polling", errors)
    health = _read_table(_HealthTable, {}, given["health"], f"{path}.health", errors)
    http = _read_table(_HttpTable, asdict(HttpLimits()), given["http"], f"{path}.http", errors)
    if not (settings and rate and polling and health and http and credentials):
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
        http=HttpLimits(**http.model_dump(exclude={"proxy", "ca_file"})),
        route=http.route,
        retention=settings.retention,
        keep_holder=settings.keep_holder,
    )


def _polling_defaults(policy: PollPolicy, *, calls_back: bool) -> dict[str, Any]:
    """Return the provider's defaults. If it sends webhooks, polling is a safety net, at the slow interval."""
    fields = {key: value for key, value in asdict(policy).items() if key != "throttle_pause"}
    return fields | {"strategy": "interval"} if calls_back else fields


def _read_table(
    model: type[Table],
    defaults: Mapping[str, Any],
    given: object,
    path: str,
    errors: list[FieldError],
    *,
    schema: Mapping[str, Schema] | None = None,
) -> Table | None:
    """Return one table of an account over its defaults, or `None` after adding what is wrong to `errors`.

    Suggestions for unknown names are from `schema`, if it is given.
    """
    if not isinstance(given, dict):
        errors.append(FieldError(path, "must be a table"))
        return None
    try:
        return model.model_validate({**defaults, **given})
    except ValidationError as error:
        found = table_errors(error, schema or table_schema(model))
        errors += [FieldError(".".join(filter(None, [path, item.field])), item.message) for item in found]
        return None
