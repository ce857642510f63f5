"""The banners: what is wrong with the system as a whole, with texts from `willcall.orders.troubles`. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from willcall.api.board import labels
from willcall.api.board.overview import AccountOverview, Overview
from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.orders.ticket_documents import DOCUMENTS_LATE_AFTER
from willcall.orders.troubles import ACCOUNT_TROUBLES, SYSTEM_TROUBLES, Trouble
from willcall.stores.accounts import AccountHealth, AccountState
from willcall.views.accounts import account_trouble
from willcall.views.formatting import format_count, format_duration, format_relative, probe_condition
from willcall.views.overdue import OverdueKind
from willcall.views.sweeps import restart_advice


@dataclass(frozen=True, slots=True)
class Banner:
    """One thing that is wrong.

    `critical`: tickets do not arrive because of it. `since` and `until` are epoch seconds; `then` says what happens by
    itself at `until`. `account` gets the buttons; `orders_url` and `messages_url` are pages with what is affected.
    `news` follows the title in the headline. `alert` names its section of the runbook. `results`: what follows from it.
    """

    kind: str
    critical: bool
    title: str
    effect: str
    remedy: str
    since: float | None = None
    why: str | None = None
    until: float | None = None
    then: str = ""
    account: AccountOverview | None = None
    orders_url: str | None = None
    messages_url: str | None = None
    news: str = ""
    alert: str | None = None
    results: Sequence["Banner"] = ()


#: What follows from a cause, by the kinds of their banners: shown with the first of its causes that is there.
_CONSEQUENCES = {
    "worker": frozenset({"overdue", "missed", "lost", "undelivered", "refused", "operators", "lacking", "at_risk"}),
    "beat": frozenset({"missed"}),
    "refused": frozenset({"undelivered"}),
    "full": frozenset({"lacking"}),
}


def banners(overview: Overview) -> list[Banner]:
    """Return everything that is wrong, critical banners first; what follows from another banner is part of that."""
    parts = (_processes, _sweeps, _accounts, _unconfigured, _at_risk, _late, _webhooks, _dead_letters)
    found = _with_consequences([banner for part in parts for banner in part(overview)])
    return sorted(found, key=lambda banner: not banner.critical)


def _with_consequences(found: list[Banner]) -> list[Banner]:
    kinds = {banner.kind for banner in found}
    causes = {kind: cause for cause in reversed(_CONSEQUENCES) if cause in kinds for kind in _CONSEQUENCES[cause]}
    return [
        replace(banner, results=[each for each in found if causes.get(each.kind) == banner.kind])
        for banner in found
        if banner.kind not in causes
    ]


def headline(overview: Overview, found: list[Banner]) -> str:
    """Return the state of the system in one sentence: the worst news first."""
    orders = overview.survey.total - overview.covered_by_accounts
    troubles = [banner for banner in found if banner.kind != "paused"]
    if troubles:
        critical = sum(banner.critical for banner in troubles)
        worst = troubles[0]
        news = f"{worst.title}, {worst.news}" if worst.news else worst.title
        if critical:
            return f"{format_count(critical, 'problem')} {'needs' if critical == 1 else 'need'} fixing: {news}"
        return f"{format_count(len(troubles), 'warning')}: {news}"
    if orders > 0:
        return f"{format_count(orders, 'order')} {'needs' if orders == 1 else 'need'} attention"
    paused = [
        summary
        for summary in overview.accounts
        if summary.view.state.health is AccountHealth.PAUSED and summary.view.open_orders
    ]
    waiting = waiting_words(sum(summary.view.open_orders for summary in paused or overview.accounts))
    if paused:
        return f"{waiting} for {'a paused account' if len(paused) == 1 else 'paused accounts'}"
    return f"All healthy, {_lower(waiting)} for tickets"


def _lower(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"


def waiting_words(number: int) -> str:
    """`No order waits`, `1 order waits`, `2 orders wait`."""
    return f"{format_count(number, 'order')} wait{'s' if number == 1 else ''}" if number else "No order waits"


def _processes(overview: Overview) -> Iterator[Banner]:
    for kind in ("worker", "beat"):
        if not overview.running(kind):
            last = overview.last_heartbeats.get(kind)
            yield _banner(
                kind,
                SYSTEM_TROUBLES[f"no_{kind}"],
                since=last.at if last else None,
                why=f"Last seen: {last.name}" if last else None,
                news=_lower(waiting_words(sum(summary.view.open_orders for summary in overview.accounts)))
                if kind == "worker"
                else "",
            )
    for process in overview.lost:
        if overview.running(process.kind):
            yield _banner(
                "lost",
                SYSTEM_TROUBLES["process_lost"],
                title=f"{SYSTEM_TROUBLES['process_lost'].what.format(kind=process.kind)}: {process.name}",
                since=process.last_seen,
            )


def _sweeps(overview: Overview) -> Iterator[Banner]:
    for name, run in sorted(overview.sweeps.items()):
        if run.error:
            yield _banner("sweep", SYSTEM_TROUBLES["sweep_failed"], since=run.at, why=run.error, sweep=name)
    overdue = overview.overdue_sweeps
    if overdue:
        trouble = SYSTEM_TROUBLES["sweeps_overdue"]
        restart = restart_advice(beat=bool(overview.running("beat")), worker=bool(overview.running("worker")))
        yield _banner(
            "missed",
            trouble,
            title=f"{format_count(len(overdue), 'background sweep')} {'is' if len(overdue) == 1 else 'are'} overdue",
            effect=f"{trouble.effect.rstrip('.')}: {', '.join(sweep.name for sweep in overdue)}.",
            since=min((sweep.ran_at for sweep in overdue if sweep.ran_at), default=None),
            restart=restart,
        )


def _banner(
    kind: str,
    trouble: Trouble,
    *,
    title: str = "",
    effect: str = "",
    since: float | None = None,
    why: str | None = None,
    orders_url: str | None = None,
    messages_url: str | None = None,
    news: str = "",
    **placeholders: str,
) -> Banner:
    """Return the banner of a trouble of the deployment, or of several accounts."""
    return Banner(
        kind,
        critical=trouble.critical,
        title=title or trouble.what.format(**placeholders),
        effect=effect or trouble.effect,
        remedy=trouble.instructions(**placeholders),
        since=since,
        why=why,
        orders_url=orders_url,
        messages_url=messages_url,
        news=news,
        alert=trouble.alert,
    )


def _accounts(overview: Overview) -> Iterator[Banner]:
    for summary in overview.accounts:
        if summary.view.state.health is not AccountHealth.OK:
            yield _account(summary, overview)
        if summary.view.state.booked_ahead(overview.now) > overview.booked_ahead:
            yield _overbooked(summary, overview.now)
        if summary.view.state.health is AccountHealth.OK and summary.overdue:
            trouble = ACCOUNT_TROUBLES["overdue"]
            rate = summary.view.account.rate
            yield _banner(
                "overdue",
                replace(trouble, critical=summary.overdue > rate.limit / rate.period * 60),
                title=f"{summary.key}: {format_count(summary.overdue, 'order')} overdue",
                orders_url=f"/orders?late={OverdueKind.OVERDUE}&account={summary.key}",
            )


def _overbooked(summary: AccountOverview, now: float) -> Banner:
    """Warn that more polls of an account are due than its rate allows."""
    state, trouble = summary.view.state, ACCOUNT_TROUBLES["overbooked"]
    ahead = format_duration(state.booked_ahead(now))
    facts = f"{format_count(state.booked, 'request')}, the last in {ahead}"
    return _account_banner(
        "overbooked", trouble, summary.key, facts, state, orders_url=f"/orders?account={summary.key}"
    )


def _account(summary: AccountOverview, overview: Overview) -> Banner:
    """One banner for an account, however many orders wait for it."""
    state, trouble, now = summary.view.state.without_pause, account_trouble(summary.view.state), overview.now
    until, then = _next_step(summary, now, beat=bool(overview.running("beat")))
    at_risk = overview.at_risk.of(summary.key)
    news = [waiting_words(summary.view.open_orders)]
    if at_risk.first_event_at is not None:
        news.append(f"{at_risk.count:,} at risk: the first event is {format_relative(at_risk.first_event_at, now, 1)}")
    elif summary.first_deadline and summary.first_deadline > now:
        news.append(f"the first deadline is {format_relative(summary.first_deadline, now, 1)}")
    return _account_banner(
        state.health.value,
        trouble,
        summary.key,
        ", ".join(news),
        summary.view.state,
        since=state.since,
        why=state.why,
        until=until,
        then=then,
        account=summary,
        orders_url=f"/orders?account={summary.key}" if summary.view.open_orders else None,
        news=_lower(", ".join(news)),
    )


def _account_banner(
    kind: str, trouble: Trouble, key: str, facts: str, state: AccountState | None = None, **fields: Any
) -> Banner:
    """Return the banner of a trouble of an account; `facts` are a clause, `fields` more fields of the banner."""
    return Banner(
        kind,
        critical=trouble.critical,
        title=f"{key} {trouble.what}",
        effect=f"{facts}. {trouble.effect}",
        remedy=labels.fix(trouble, key, state),
        alert=trouble.alert,
        **fields,
    )


def _next_step(summary: AccountOverview, now: float, *, beat: bool) -> tuple[float | None, str]:
    """Return when the account is probed or resumes, and which of both. A held order is sent as the next probe."""
    state = summary.view.state
    if state.underlying or not ACCOUNT_TROUBLES[state.health].critical:
        continues = "is probed again" if state.underlying else "resumes"
        return state.until, continues if state.until else ""
    if state.probe_at is None:
        return None, ""
    awaited = probe_condition(state.probe_at, now, held=summary.view.held, beat=beat)
    return (None, f"next attempt {awaited}") if awaited else (state.probe_at, "next attempt")


def _unconfigured(overview: Overview) -> Iterator[Banner]:
    trouble = ACCOUNT_TROUBLES["unconfigured"]
    for key, waiting in overview.unconfigured.items():
        facts = waiting_words(waiting)
        yield _account_banner("unconfigured", trouble, key, facts, orders_url=f"/orders?account={key}")


def _at_risk(overview: Overview) -> Iterator[Banner]:
    """Warn of orders at risk, but not of those that their account's own banner counts."""
    shown = {summary.key for summary in overview.accounts if summary.view.state.health is not AccountHealth.OK}
    at_risk = overview.at_risk.without(shown)
    count, first = at_risk.count, at_risk.first_event_at
    if first is not None:
        yield _banner(
            "at_risk",
            ACCOUNT_TROUBLES["at_risk"],
            title=f"{format_count(count, 'order')} {'is' if count == 1 else 'are'} at risk",
            orders_url="/orders?event=soon",
            news=f"the first event is {format_relative(first, overview.now, 1)}",
        )


def _webhooks(overview: Overview) -> Iterator[Banner]:
    """Return a banner for each account whose webhooks are rejected."""
    trouble = ACCOUNT_TROUBLES["webhooks_rejected"]
    for key, rejected in overview.rejected_webhooks.items():
        facts = f"{format_count(rejected.count, 'webhook')} since the last accepted one"
        yield _account_banner("webhooks", trouble, key, facts, since=rejected.since, why=rejected.reason.text)


def _late(overview: Overview) -> Iterator[Banner]:
    """Return a banner for each kind of late delivery: callbacks, alerts to operators, documents."""
    callbacks, alerts, documents = overview.undelivered, overview.operator_alerts, overview.documents_pending
    for backend in overview.refusing_backends:
        yield _banner(
            "refused",
            SYSTEM_TROUBLES["callbacks_refused"],
            title=f"Callbacks are refused by {backend.host}",
            since=backend.since,
            why=str(backend.http_status),
            orders_url=f"/orders?late={OverdueKind.UNDELIVERED}",
            news=f"HTTP {backend.http_status}, {format_count(backend.count, 'order')}",
        )
    if overview.documents_full_since is not None:
        yield _banner("full", SYSTEM_TROUBLES["documents_full"], since=overview.documents_full_since)
    if callbacks.waited(overview.now) >= CALLBACK_LATE_AFTER:
        yield _banner(
            "undelivered",
            SYSTEM_TROUBLES["callbacks_late"],
            title=f"{format_count(callbacks.count, 'callback')} not delivered",
            since=callbacks.oldest_at,
            orders_url=f"/orders?late={OverdueKind.UNDELIVERED}",
        )
    if alerts and alerts.late:
        yield _banner(
            "operators",
            SYSTEM_TROUBLES["alerts_late"],
            title=f"{format_count(alerts.count, 'alert')} to operators not delivered",
            since=alerts.since,
            why=alerts.answered,
        )
    if documents.waited(overview.now) >= DOCUMENTS_LATE_AFTER:
        yield _banner(
            "lacking",
            SYSTEM_TROUBLES["documents_late"],
            title=f"Documents of {format_count(documents.count, 'order')} are missing",
            since=documents.oldest_at,
            orders_url=f"/orders?late={OverdueKind.DOCUMENTS}",
        )
    given_up = overview.documents_given_up
    if given_up.count:
        yield _banner(
            "given_up",
            SYSTEM_TROUBLES["documents_given_up"],
            title=f"Documents of {format_count(given_up.count, 'order')} were given up",
            since=given_up.oldest_at,
            orders_url=f"/orders?late={OverdueKind.DOCUMENTS}",
        )


def _dead_letters(overview: Overview) -> Iterator[Banner]:
    if overview.dead_letters:
        yield _banner(
            "dead-letters",
            SYSTEM_TROUBLES["dead_letters"],
            title=f"{format_count(overview.dead_letters, 'message')} could not be processed",
            messages_url="/dead-letters",
        )
