"""The options that select orders, for the commands about many of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from inspect import signature
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from willcall.cli.parameters import parse_time
from willcall.orders.errors import UnknownAccountError
from willcall.orders.model import Status
from willcall.providers.registry import ADAPTERS
from willcall.stores.listing import OrderFilter
from willcall.stores.registry import Stores
from willcall.views.order_search import SubmissionSearch, submission_search

if TYPE_CHECKING:
    from willcall.config import Config
    from willcall.usecases.context import Context


def _parse_moment(text: str) -> float:
    return parse_time(text).timestamp()


def _moment(text: str) -> Any:
    return typer.Option(parser=_parse_moment, metavar="TIME", help=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOptions:
    """The options that select orders, by the names of the parameters of a command (see `with_order_options`)."""

    status: Annotated[Status | None, typer.Option(help="Only orders with this status.")] = None
    provider: Annotated[str | None, typer.Option(help="Only orders at this provider.")] = None
    account: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER/ACCOUNT", help="Only orders of this account; with --provider, its name."),
    ] = None
    client: Annotated[str | None, typer.Option(metavar="NAME", help="Only orders of this client.")] = None
    attention: Annotated[bool, typer.Option("--attention", help="Only orders that need attention.")] = False
    event_before: Annotated[float | None, _moment("Only orders whose event is before, the soonest first.")] = None
    event_after: Annotated[float | None, _moment("Only orders whose event is later, the soonest first.")] = None
    updated_since: Annotated[float | None, _moment("Only orders that changed since, the earliest first.")] = None
    submitted_after: Annotated[float | None, _moment("Only orders that were submitted then or later.")] = None
    submitted_before: Annotated[float | None, _moment("Only orders that were submitted before.")] = None
    group: Annotated[str | None, typer.Option(help="Only orders of this group.")] = None
    text: Annotated[str | None, typer.Option(help="Only orders with this in their id or reference.")] = None
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", "--meta", metavar="NAME=VALUE", help="Only orders with this in their metadata."),
    ] = None
    host: Annotated[str | None, typer.Option(help="Only orders whose callbacks go to this host.")] = None
    open_only: Annotated[bool, typer.Option("--open", help="Only orders that are not final yet.")] = False

    def filter(self, config: "Config | Context", stores: Stores) -> OrderFilter:
        """Return which orders the options select. Raises typer.BadParameter and UnknownAccountError."""
        if self.provider is not None and self.provider not in ADAPTERS:
            raise typer.BadParameter(f"must be one of {', '.join(sorted(ADAPTERS))}", param_hint="--provider")
        return OrderFilter(
            self.status,
            self.provider,
            frozenset() if self.attention else None,
            _account_key(config, stores, self.provider, self.account),
            _client(config, stores, self.client),
            self.open_only,
            event_before=self.event_before,
            event_after=self.event_after,
            updated_since=self.updated_since,
            group=self.group,
            submitted_after=self.submitted_after,
            submitted_before=self.submitted_before,
            submission=submission_search(config.settings, self.text, _metadata(self.metadata), self.host),
        )


def with_order_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `OrderOptions` in place of its parameter `options`, which takes their values."""
    shared = signature(OrderOptions).parameters
    own = signature(command)

    @wraps(command)
    def run(**given: Any) -> None:
        command(options=OrderOptions(**{name: given.pop(name) for name in shared}), **given)

    parameters = [
        parameter
        for name, one in own.parameters.items()
        for parameter in (shared.values() if name == "options" else (one,))
    ]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(run)["__signature__"] = own.replace(parameters=parameters)
    return run


def options_of(query: OrderFilter) -> str:
    """Return the options of a filter, to repeat a command."""
    given: dict[str, Any] = {
        "--status": query.status,
        "--provider": query.provider,
        "--account": query.account,
        "--client": query.client,
        "--event-before": _time(query.event_before),
        "--event-after": _time(query.event_after),
        "--updated-since": _time(query.updated_since),
        "--group": query.group and quote(query.group),
        "--submitted-after": _time(query.submitted_after),
        "--submitted-before": _time(query.submitted_before),
    }
    words = [f"{option} {value} " for option, value in given.items() if value is not None]
    flags = ["--attention "] * (query.attention is not None) + ["--open "] * query.open_only
    return "".join([*words, *flags, *_search_options(query)])


def _search_options(query: OrderFilter) -> list[str]:
    search = query.submission
    if not isinstance(search, SubmissionSearch):
        return []
    given = [("--text", search.text), ("--host", search.host)]
    given += [("--metadata", f"{name}={value}") for name, value in search.metadata]
    return [f"{option} {quote(value)} " for option, value in given if value is not None]


def _metadata(given: list[str] | None) -> dict[str, str]:
    pairs = [each.partition("=") for each in given or ()]
    if not all(name and equals for name, equals, _ in pairs):
        raise typer.BadParameter("must be NAME=VALUE", param_hint="--metadata")
    return {name: value for name, _, value in pairs}


def _account_key(config: "Config | Context", stores: Stores, provider: str | None, name: str | None) -> str | None:
    """Return the key of an account that is configured or has orders."""
    if name is None:
        return None
    if "/" not in name and provider is None:
        raise typer.BadParameter("must be PROVIDER/ACCOUNT, or --provider must be given", param_hint="--account")
    key = name if "/" in name else f"{provider}/{name}"
    known = sorted({*config.accounts, *stores.orders.accounts()})
    if key not in known:
        raise UnknownAccountError(key, known)
    return key


def _client(config: "Config | Context", stores: Stores, name: str | None) -> str | None:
    """Return the name of a client that is configured or has orders."""
    known = sorted({*config.settings.api.clients, *stores.orders.clients()}) if name else []
    if name and name not in known:
        raise typer.BadParameter(
            f"must be one of {', '.join(known)}" if known else "no client is configured", param_hint="--client"
        )
    return name


def _time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
