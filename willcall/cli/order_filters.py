"""The options that select orders, for the commands about many of them."""

from datetime import UTC, datetime
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


def _time_option(text: str) -> Any:
    return typer.Option(parser=parse_time, metavar="TIME", help=text)


StatusOption = Annotated[Status | None, typer.Option(help="Only orders with this status.")]
ProviderOption = Annotated[str | None, typer.Option(help="Only orders at this provider.")]
AccountOption = Annotated[
    str | None,
    typer.Option(metavar="PROVIDER/ACCOUNT", help="Only orders of this account; with --provider, its name."),
]
ClientOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only orders of this client.")]
AttentionOption = Annotated[bool, typer.Option("--attention", help="Only orders that need attention.")]
OpenOption = Annotated[bool, typer.Option("--open", help="Only orders that are not final yet.")]
EventBeforeOption = Annotated[datetime | None, _time_option("Only orders whose event is before, the soonest first.")]
EventAfterOption = Annotated[datetime | None, _time_option("Only orders whose event is later, the soonest first.")]
UpdatedSinceOption = Annotated[datetime | None, _time_option("Only orders that changed since, the earliest first.")]
SubmittedAfterOption = Annotated[datetime | None, _time_option("Only orders that were submitted then or later.")]
SubmittedBeforeOption = Annotated[datetime | None, _time_option("Only orders that were submitted before.")]
GroupOption = Annotated[str | None, typer.Option(help="Only orders of this group.")]
TextOption = Annotated[str | None, typer.Option(help="Only orders with this in their id or reference.")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option("--metadata", "--meta", metavar="NAME=VALUE", help="Only orders with this in their metadata."),
]
HostOption = Annotated[str | None, typer.Option(help="Only orders whose callbacks go to this host.")]


def read_filter(config: "Config | Context", stores: Stores, given: dict[str, Any]) -> OrderFilter:
    """Return which orders the options select, by their names. Raises typer.BadParameter."""
    provider = given["provider"]
    if provider is not None and provider not in ADAPTERS:
        raise typer.BadParameter(f"must be one of {', '.join(sorted(ADAPTERS))}", param_hint="--provider")
    return OrderFilter(
        given["status"],
        provider,
        frozenset() if given["attention"] else None,
        _account_key(config, stores, provider, given["account"]),
        _client(config, stores, given["client"]),
        given["open_only"],
        event_before=_seconds(given["event_before"]),
        event_after=_seconds(given["event_after"]),
        updated_since=_seconds(given["updated_since"]),
        group=given["group"],
        submitted_after=_seconds(given["submitted_after"]),
        submitted_before=_seconds(given["submitted_before"]),
        submission=submission_search(config.settings, given["text"], _metadata(given["metadata"]), given["host"]),
    )


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


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
