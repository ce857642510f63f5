"""What an operator must know first: what is wrong as a whole, rather than order by order. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from willcall.api.board import labels
from willcall.api.board.overview import AccountSummary, Overview
from willcall.orders.advice import OVERBOOKED, TROUBLES
from willcall.orders.callbacks import CALLBACK_LATE_AFTER
from willcall.orders.ticket_documents import DOCUMENTS_LATE_AFTER
from willcall.stores.accounts import AccountHealth
from willcall.views.accounts import account_trouble
from willcall.views.formatting import format_count, format_duration, probe_condition
from willcall.views.overdue import OverdueKind
from willcall.views.sweeps import restart_advice


@dataclass(frozen=True, slots=True)
class Banner:
    """One thing that is wrong. `critical`: tickets do not arrive because of it.

    `title` says what, `since` (epoch seconds) from when on, `effect` what that does, `remedy` what to do. `then` says
    what happens by itself, `until` is when, None where that is not known. `account` is the one that resuming helps;
    `orders` is the address of the page that lists the orders that it is about; `messages` that of the page that lists
    messages.
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
    account: AccountSummary | None = None
    orders_url: str | None = None
    messages_url: str | None = None


def banners(overview: Overview) -> list[Banner]:
    """All that is wrong, the gravest first."""
    parts = (_processes, _sweeps, _accounts, _forgotten, _behind, _dead_letters)
    found = [banner for part in parts for banner in part(overview)]
    return sorted(found, key=lambda banner: not banner.critical)


def headline(overview: Overview, found: list[Banner]) -> str:
    """How things stand, in one sentence."""
    orders = overview.survey.total - overview.covered_by_accounts
    troubles = [banner for banner in found if banner.kind != "paused"]
    if troubles:
        grave = sum(banner.critical for banner in troubles)
        if grave:
            return f"{format_count(grave, 'problem')} {'needs' if grave == 1 else 'need'} fixing"
        return format_count(len(troubles), "warning")
    if orders > 0:
        return f"{format_count(orders, 'order')} {'needs' if orders == 1 else 'need'} a person"
    paused = [
        line for line in overview.accounts if line.view.state.health is AccountHealth.PAUSED and line.view.open_orders
    ]
    waiting = waiting_words(sum(line.view.open_orders for line in paused or overview.accounts))
    if paused:
        return f"{waiting} for {'a paused account' if len(paused) == 1 else 'paused accounts'}"
    return f"All is well, {waiting[0].lower()}{waiting[1:]} for tickets"


def waiting_words(number: int) -> str:
    """`No order waits`, `1 order waits`, `2 orders wait`."""
    return f"{format_count(number, 'order')} wait{'s' if number == 1 else ''}" if number else "No order waits"


def _processes(overview: Overview) -> Iterator[Banner]:
    if not overview.running("worker"):
        yield _nobody(
            overview,
            "worker",
            title="No worker is alive",
            effect="Nothing is asked and no backend is told. Orders keep their place and go on.",
            remedy="Start one: willcall worker. If there is one, its log says why it cannot reach Redis.",
        )
    if not overview.running("beat"):
        yield _nobody(
            overview,
            "beat",
            title="Beat is not alive",
            effect="Orders go on, but accounts that were refused or down are not tried again, and held orders, expiry "
            "and what a dead worker left wait for the next beat.",
            remedy="Start one: willcall beat. Several may run.",
        )


def _nobody(overview: Overview, kind: str, title: str, effect: str, remedy: str) -> Banner:
    """No process of a kind is alive, since the last sign of one."""
    last = overview.last_heartbeats.get(kind)
    why = f"The last was {last.name}" if last else None
    return Banner(
        kind, critical=True, title=title, effect=effect, remedy=remedy, since=last.at if last else None, why=why
    )


def _sweeps(overview: Overview) -> Iterator[Banner]:
    for name, run in sorted(overview.sweeps.items()):
        if run.error:
            yield Banner(
                "sweep",
                critical=False,
                title=f"The sweep {name} failed",
                effect="What it would have mended waits for its next run.",
                remedy=f"Its log has the error; willcall sweep {name} runs it now.",
                since=run.at,
                why=run.error,
            )
    if overview.overdue_sweeps:
        names = ", ".join(sweep.name for sweep in overview.overdue_sweeps)
        how = restart_advice(beat=bool(overview.running("beat")), worker=bool(overview.running("worker")))
        yield Banner(
            "missed",
            critical=False,
            title=f"{format_count(len(overview.overdue_sweeps), 'sweep')} missed",
            effect=f"What these would have mended waits: {names}.",
            remedy=f"{how}; willcall sweep runs them now.",
            since=min((sweep.ran_at for sweep in overview.overdue_sweeps if sweep.ran_at), default=None),
        )


def _accounts(overview: Overview) -> Iterator[Banner]:
    for line in overview.accounts:
        if line.view.state.health is not AccountHealth.OK:
            yield _account(line, overview.now, beat=bool(overview.running("beat")))
        if line.view.state.booked_ahead(overview.now) > overview.booked_ahead:
            yield _overbooked(line, overview.now)
        if line.view.state.health is AccountHealth.OK and line.overdue:
            working = bool(overview.running("worker"))
            yield Banner(
                "overdue",
                critical=line.overdue > line.view.account.rate.limit / line.view.account.rate.period * 60,
                title=f"{line.key}: {format_count(line.overdue, 'order')} overdue",
                effect="Tickets that are there already are fetched late.",
                remedy="Workers do not keep up: start more. A wait for the rate does not count."
                if working
                else "They go on when a worker runs.",
                orders_url=f"/orders?behind={OverdueKind.OVERDUE}&account={line.key}",
            )


def _overbooked(line: AccountSummary, now: float) -> Banner:
    """More of an account is due than its rate allows."""
    state, trouble = line.view.state, OVERBOOKED
    ahead = format_duration(state.booked_ahead(now))
    return Banner(
        "overbooked",
        critical=trouble.grave,
        title=f"{line.key} {trouble.what}",
        effect=f"{format_count(state.booked, 'request')}, the last in {ahead}. {trouble.effect}",
        remedy=labels.fix(trouble, line.key),
        orders_url=f"/orders?account={line.key}",
    )


def _account(line: AccountSummary, now: float, *, beat: bool) -> Banner:
    """One banner for an account, however many orders wait for it; `beat`: whether one is alive."""
    state, trouble = line.view.state.without_pause, account_trouble(line.view.state)
    until, then = _by_itself(line, now, beat=beat)
    return Banner(
        state.health.value,
        critical=trouble.grave,
        title=f"{line.key} {trouble.what}",
        effect=f"{waiting_words(line.view.open_orders)}. {trouble.effect}",
        remedy=labels.fix(trouble, line.key),
        since=state.since,
        why=state.why,
        until=until,
        then=then,
        account=line,
    )


def _by_itself(line: AccountSummary, now: float, *, beat: bool) -> tuple[float | None, str]:
    """When what happens to an account that is not well: an order that is held is the next try."""
    state = line.view.state
    if state.underlying or not TROUBLES[state.health].grave:
        goes_on = "is tried again" if state.underlying else "goes on"
        return state.until, goes_on if state.until else ""
    if state.probe_at is None:
        return None, ""
    awaited = probe_condition(state.probe_at, now, held=line.view.held, beat=beat)
    return (None, f"next try {awaited}") if awaited else (state.probe_at, "next try")


def _forgotten(overview: Overview) -> Iterator[Banner]:
    trouble = TROUBLES["forgotten"]
    for key, waiting in overview.unconfigured.items():
        yield Banner(
            "forgotten",
            critical=trouble.grave,
            title=f"{key} {trouble.what}",
            effect=f"{waiting_words(waiting)}. {trouble.effect}",
            remedy=labels.fix(trouble, key),
        )


def _behind(overview: Overview) -> Iterator[Banner]:
    """What has waited for longer than it may: to tell backends and operators, to store documents."""
    told, operators, documents = overview.undelivered, overview.operator_alerts, overview.documents_pending
    if told.waited(overview.now) >= CALLBACK_LATE_AFTER:
        yield Banner(
            "untold",
            critical=False,
            title=f"{format_count(told.count, 'event')} on the way to backends",
            effect="They are told again and again, for three days; until then they do not know.",
            remedy="Look at the backend's own logs: the orders' pages show what it answered.",
            since=told.oldest_at,
            orders_url=f"/orders?behind={OverdueKind.UNTOLD}",
        )
    if operators and operators.late:
        yield Banner(
            "operators",
            critical=False,
            title=f"Operators are not told of {format_count(operators.count, 'event')}",
            effect="Who relies on that does not know what happened. They are told again and again, for three days.",
            remedy="Mend what listens at notify.ops_url, or correct it: willcall doctor tries to reach it.",
            since=operators.since,
            why=operators.answered,
        )
    if documents.waited(overview.now) >= DOCUMENTS_LATE_AFTER:
        yield Banner(
            "lacking",
            critical=False,
            title=f"Documents of {format_count(documents.count, 'order')} are not stored",
            effect="Their customers have the provider's address at most. They are tried again, for three days.",
            remedy="See whether the documents' hosts answer, and whether there is room to store them: willcall doctor.",
            since=documents.oldest_at,
            orders_url=f"/orders?behind={OverdueKind.DOCUMENTS}",
        )
    if overview.documents_given_up.count:
        yield Banner(
            "given_up",
            critical=False,
            title=f"Documents of {format_count(overview.documents_given_up.count, 'order')} were given up",
            effect="Their customers have the provider's address at most. They are not fetched again.",
            remedy="Ask the provider for the files: each order's page says why they could not be fetched.",
            since=overview.documents_given_up.oldest_at,
            orders_url=f"/orders?behind={OverdueKind.DOCUMENTS}",
        )


def _dead_letters(overview: Overview) -> Iterator[Banner]:
    if overview.dead_letters:
        yield Banner(
            "dead-letters",
            critical=False,
            title=f"{format_count(overview.dead_letters, 'message')} could not be processed",
            effect="If one was a submission, its order does not exist here.",
            remedy="Fix the cause, then requeue each message; delete those that nobody needs.",
            messages_url="/dead-letters",
        )
