"""The banners: what is wrong with the system as a whole, with texts from `willcall.orders.troubles`. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from willcall.api.board import labels
from willcall.api.board.overview import AccountOverview, Overview
from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.orders.ticket_documents import DOCUMENTS_LATE_AFTER
from willcall.orders.troubles import ACCOUNT_TROUBLES, SYSTEM_TROUBLES, Trouble
from willcall.stores.accounts import AccountHealth
from willcall.views.accounts import account_trouble
from willcall.views.formatting import format_count, format_duration, probe_condition
from willcall.views.overdue import OverdueKind
from willcall.views.sweeps import restart_advice


@dataclass(frozen=True, slots=True)
class Banner:
    """One thing that is wrong.

    `critical`: tickets do not arrive because of it. `since` and `until` are epoch seconds; `then` says what happens by
    itself at `until`. `account` gets the buttons; `orders_url` and `messages_url` are pages with what is affected.
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


def banners(overview: Overview) -> list[Banner]:
    """Return everything that is wrong, critical banners first."""
    parts = (_processes, _sweeps, _accounts, _unconfigured, _late, _dead_letters)
    found = [banner for part in parts for banner in part(overview)]
    return sorted(found, key=lambda banner: not banner.critical)


def headline(overview: Overview, found: list[Banner]) -> str:
    """Return the state of the system in one sentence."""
    orders = overview.survey.total - overview.covered_by_accounts
    troubles = [banner for banner in found if banner.kind != "paused"]
    if troubles:
        critical = sum(banner.critical for banner in troubles)
        if critical:
            return f"{format_count(critical, 'problem')} {'needs' if critical == 1 else 'need'} fixing"
        return format_count(len(troubles), "warning")
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
    return f"All healthy, {waiting[0].lower()}{waiting[1:]} for tickets"


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
    **placeholders: str,
) -> Banner:
    """Return the banner of a trouble of the deployment."""
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
    )


def _accounts(overview: Overview) -> Iterator[Banner]:
    for summary in overview.accounts:
        if summary.view.state.health is not AccountHealth.OK:
            yield _account(summary, overview.now, beat=bool(overview.running("beat")))
        if summary.view.state.booked_ahead(overview.now) > overview.booked_ahead:
            yield _overbooked(summary, overview.now)
        if summary.view.state.health is AccountHealth.OK and summary.overdue:
            trouble = ACCOUNT_TROUBLES["overdue"]
            yield Banner(
                "overdue",
                critical=summary.overdue > summary.view.account.rate.limit / summary.view.account.rate.period * 60,
                title=f"{summary.key}: {format_count(summary.overdue, 'order')} overdue",
                effect=trouble.effect,
                remedy=trouble.remedy if overview.running("worker") else "They continue once a worker runs.",
                orders_url=f"/orders?late={OverdueKind.OVERDUE}&account={summary.key}",
            )


def _overbooked(summary: AccountOverview, now: float) -> Banner:
    """Warn that more polls of an account are due than its rate allows."""
    state, trouble = summary.view.state, ACCOUNT_TROUBLES["overbooked"]
    ahead = format_duration(state.booked_ahead(now))
    return Banner(
        "overbooked",
        critical=trouble.critical,
        title=f"{summary.key} {trouble.what}",
        effect=f"{format_count(state.booked, 'request')}, the last in {ahead}. {trouble.effect}",
        remedy=labels.fix(trouble, summary.key, summary.view.state),
        orders_url=f"/orders?account={summary.key}",
    )


def _account(summary: AccountOverview, now: float, *, beat: bool) -> Banner:
    """One banner for an account, however many orders wait for it; `beat`: whether one is alive."""
    state, trouble = summary.view.state.without_pause, account_trouble(summary.view.state)
    until, then = _next_step(summary, now, beat=beat)
    return Banner(
        state.health.value,
        critical=trouble.critical,
        title=f"{summary.key} {trouble.what}",
        effect=f"{waiting_words(summary.view.open_orders)}. {trouble.effect}",
        remedy=labels.fix(trouble, summary.key, summary.view.state),
        since=state.since,
        why=state.why,
        until=until,
        then=then,
        account=summary,
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
        yield Banner(
            "unconfigured",
            critical=trouble.critical,
            title=f"{key} {trouble.what}",
            effect=f"{waiting_words(waiting)}. {trouble.effect}",
            remedy=labels.fix(trouble, key, None),
        )


def _late(overview: Overview) -> Iterator[Banner]:
    """Return a banner for each kind of late delivery: callbacks, alerts to operators, documents."""
    callbacks, alerts, documents = overview.undelivered, overview.operator_alerts, overview.documents_pending
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
