"""Write what became of an order, and tell of it."""

from dataclasses import replace

import structlog

from willcall.orders.hints import throttled_until
from willcall.orders.measures import commit_statistics, counter_names
from willcall.orders.model import Attempt, Attention, Order, Status
from willcall.orders.outcomes import Malformed, NotReady, Outcome, outcome_name
from willcall.orders.policy import AccountSignal, Decision, cancel, decide, earliest_poll_at, expire, interpret
from willcall.orders.serialization import order_to_json
from willcall.orders.states import CLOSED, OPEN
from willcall.orders.ticket_documents import missing_document_urls
from willcall.orders.user_lists import ticket_keys
from willcall.providers.base import Account, is_user_list
from willcall.stores.accounts import AccountHealth, AccountReport
from willcall.stores.events import new_event_id
from willcall.stores.operator_events import OperatorAlert
from willcall.stores.orders import Commit, NewEvent, OwnedByAnotherOrderError, OwnedTickets, PollClaim, PollMessage
from willcall.usecases.alerts import account_alert, attention_alert, send_alert
from willcall.usecases.ask import StatusResult
from willcall.usecases.context import Context
from willcall.usecases.local_throttles import LocalThrottle
from willcall.usecases.notify import send_first_delivery

log = structlog.get_logger(__name__)

#: Statuses in which nobody gets in with what an order had.
_REFUNDED = frozenset({Status.FAILED, Status.CANCELLED})
#: Signals of answers whose hint asks to leave the account alone rather than one order.
_ABOUT_THE_ACCOUNT = frozenset({AccountSignal.THROTTLED, AccountSignal.UNAVAILABLE, AccountSignal.UNAUTHORIZED})


def settle_attempt(
    context: Context,
    account: Account,
    claim: PollClaim,
    claim_id: str,
    *,
    result: StatusResult,
    now: float,
    fetch_in: float | None = None,
) -> PollMessage | None:
    """Decide what an attempt means and commit it; the next message of the chain, None where there is none.

    Where a push changed the order while the request was under way, the answer is decided upon once more, on top
    of what the push brought: neither undoes the other. `now` is when the answer came; `fetch_in` seconds from the
    commit on, documents that are missing are fetched.
    """
    before: Order | None = claimed_order(claim)
    result = replace(result, outcome=interpret(claimed_order(claim), result.outcome, others_answered=claim.clean))
    health = AccountHealth.OK
    sent_at = max(claim.now, claim.send_at)
    late = max(0.0, sent_at - (claimed_order(claim).next_poll_at or sent_at))
    while before:
        decision = decide(before, result.outcome, account.polling, now, context.rng)
        if before is claim.order:
            health = _report(context, account, claim, decision, why=_why(result), now=now)
        decision = _one_trouble(before, decision, health)
        after, wake_at = decision.order, decision.wake_at
        countdown = None if wake_at is None or after.next_poll_at is None else wake_at - now
        commit = Commit(
            before=before,
            after=after,
            wake_at=None if decision.waits_for_account else wake_at,
            held=decision.waits_for_account,
            earliest=earliest_poll_at(after, account.polling),
            attempt=Attempt(sent_at, outcome_name(result.outcome), result.http_status, countdown, decision.why, late),
            tickets=after.tickets != before.tickets,
            event=_event(before, after),
            late_check_at=late_check_at(context, after, now),
            fetch_in=fetch_in,
            alert=_alert(context, before, decision, health),
            throttled=after.hint_until is not None and decision.signal in _ABOUT_THE_ACCOUNT,
            answered=_unreported(claim, decision),
        )
        try:
            due = _write(context, commit, claim_id)
        except OwnedByAnotherOrderError:
            result = replace(result, outcome=_waiting_for_own(result.outcome))
            continue
        if due is not None:
            return _next_message(commit, due)
        before = _changed_meanwhile(context, before)
    _superseded(claimed_order(claim))
    return None


def postpone_attempt(context: Context, claim: PollClaim, claim_id: str, until: float) -> PollMessage | None:
    """End an attempt that never began: the order is due again at `until`."""
    order = claimed_order(claim)
    commit = Commit(
        before=order,
        after=replace(order, next_poll_at=until),
        wake_at=until,
        earliest=until,
        late_check_at=late_check_at(context, order, claim.now),
    )
    return _commit(context, commit, claim_id)


def settle_expired(context: Context, order: Order, now: float) -> bool:
    """The order's deadline has come; False where somebody else changed it meanwhile."""
    after = expire(order, now)
    commit = Commit(
        before=order, after=after, event=_event(order, after), late_check_at=late_check_at(context, after, now)
    )
    return _write(context, commit) is not None


def settle_cancelled(context: Context, order: Order, now: float) -> bool:
    """The caller does not want the order any more; False where somebody else changed it meanwhile."""
    after = cancel(order, now)
    return _write(context, Commit(before=order, after=after, event=_event(order, after))) is not None


def settle_push(context: Context, before: Order, after: Order, line: Attempt, fetch_in: float) -> bool:
    """A push changed the order, or left a trace in its timeline; False where somebody else changed it meanwhile.

    An order that stays open waits as it did before, under a new number. Documents that it lacks are fetched in
    `fetch_in` seconds, as some may have been fetched while this was decided.
    """
    event = _event(before, after)
    commit = Commit(
        before=before,
        after=after,
        keep=event is None or after.status in OPEN,
        attempt=line,
        tickets=after.tickets != before.tickets,
        event=event,
        fetch_in=fetch_in if missing_document_urls(after.tickets) else None,
        alert=attention_alert(context, before, after),
    )
    due = _write(context, commit)
    if due is None:
        return False
    message = _next_message(commit, due)
    context.send_polls(after.account_key, [message] if message else [])
    return True


def late_check_at(context: Context, order: Order, now: float) -> float | None:
    """When an expired order is to be result for once more, None where it is not (any more)."""
    sweeps = context.settings.sweeps
    if order.status is not Status.EXPIRED or order.finished_at is None:
        return None
    at = now + sweeps.late_every
    return at if at <= order.finished_at + sweeps.late_for else None


def settle_throttled(
    context: Context, account: Account, retry_after: float | None, now: float, why: str | None = None
) -> None:
    """A 429 to a request that is no attempt, such as for a list, binds the account too; `now`: epoch seconds."""
    until = throttled_until(retry_after, now, account.polling.throttle_pause)
    report = AccountReport(AccountSignal.THROTTLED, "", probe=False, until=until, why=why or "429")
    _tell_throttle(context, account, context.throttles.record(account.key, report, until - now))


def retry_throttle_report(context: Context, account: Account) -> None:
    """Tell of the 429s of an account that Redis could not be told of when they came."""
    for throttle in context.throttles.unreported(account.key):
        _tell_throttle(context, account, throttle)


def claimed_order(claim: PollClaim) -> Order:
    """The order of a claim that was granted."""
    if claim.order is None:
        raise ValueError(f"a claim that came to {claim.verdict} has no order")
    return claim.order


def _commit(context: Context, commit: Commit, claim_id: str) -> PollMessage | None:
    due = _write(context, commit, claim_id)
    if due is None:
        _superseded(commit.before)
        return None
    return _next_message(commit, due)


def _write(context: Context, commit: Commit, claim_id: str = "") -> float | None:
    """Commit and tell; when the order is due next (0.0 where it is not), None where somebody else changed it."""
    measured = commit_statistics(commit.before, commit.after, commit.attempt if claim_id else None)
    commit = replace(commit, measures=counter_names(measured), holds=_holding(context, commit))
    committed = context.stores.orders.commit(commit, claim_id)
    due = committed.due if committed else None
    if committed:
        context.send_expedited(commit.after.account_key, committed.wakes)
        context.meters.count_commit(commit.after.account_key, measured)
    # That an order is undeliverable, once another reason is over, shows in the step alone: a sweep sends the message.
    if due is not None and commit.alert and commit.after.attention:
        send_alert(context, commit.alert)
    if due is not None and commit.event:
        log.info("order", order=commit.after.id, account=commit.after.account_key, status=commit.after.status.value)
        send_first_delivery(context, commit.after, commit.event.id)
    return due


def _holding(context: Context, commit: Commit) -> OwnedTickets | None:
    """Return which tickets an order holds from now on, `None` where that is as before or makes no difference.

    It makes one only where other orders' tickets are listed too. An order that failed or was cancelled holds none.
    """
    order, account = commit.after, context.accounts.get(commit.after.account_key)
    ended = order.status in _REFUNDED and commit.before.status is not order.status
    if account is None or not account.adapter.user_references or not (commit.tickets or ended):
        return None
    keys = frozenset[str]() if order.status in _REFUNDED else ticket_keys(order.tickets)
    return OwnedTickets(keys, exclusive=is_user_list(account.adapter, order.reference))


def _waiting_for_own(outcome: Outcome) -> NotReady:
    """Return what an answer means whose tickets another order of the same user has got in the same moment."""
    detail = "another order of the user has got these tickets"
    return NotReady(retry_after=outcome.retry_after, provider_status=outcome.provider_status, detail=detail)


def _next_message(commit: Commit, due: float) -> PollMessage | None:
    return PollMessage(commit.before.id, commit.before.seq + 1, due) if due else None


def _superseded(order: Order) -> None:
    log.info("superseded", order=order.id, seq=order.seq)


def _changed_meanwhile(context: Context, before: Order) -> Order | None:
    """The order as somebody else has left it, None where the answer to an attempt no longer counts."""
    order = context.stores.orders.get(before.id)
    return order if order and order.seq != before.seq and order.status not in CLOSED else None


def _event(before: Order, after: Order) -> NewEvent | None:
    """One event per change of status. That an earlier event was undeliverable is no part of a new one."""
    if before.status is after.status:
        return None
    if after.attention is Attention.UNDELIVERABLE:
        after = replace(after, attention=None)
    return NewEvent(new_event_id(), f"order.{after.status}", order_to_json(after))


def _one_trouble(before: Order, decision: Decision, health: AccountHealth) -> Decision:
    """Leave unreadable answers to the account where they are its trouble: nobody need look at each of its orders."""
    order = decision.order
    if health is not AccountHealth.DOWN or order.attention is not Attention.MALFORMED:
        return decision
    return replace(decision, order=replace(order, attention=before.attention))


def _alert(context: Context, before: Order, decision: Decision, health: AccountHealth) -> OperatorAlert | None:
    """Operators are told once that an account is parked, not of each of its orders (see docs/decisions/0015)."""
    parked = health is AccountHealth.UNAUTHORIZED
    if decision.waits_for_account or (parked and decision.order.attention is Attention.UNAUTHORIZED):
        return None
    return attention_alert(context, before, decision.order)


def _why(result: StatusResult) -> str:
    """What came back, in a word or a few: the HTTP status, or why there was none. Never a secret, as no detail is."""
    if isinstance(result.outcome, Malformed):
        return result.outcome.detail or "unreadable answers"
    return str(result.http_status or result.outcome.detail or outcome_name(result.outcome))


def _report(
    context: Context, account: Account, claim: PollClaim, decision: Decision, *, why: str, now: float
) -> AccountHealth:
    """Tell the account what the attempt says of it; a good answer of a healthy account says nothing new.

    Returns the account's health as it is then, whatever else throttles or pauses it.
    """
    if _unreported(claim, decision):
        return AccountHealth.OK
    known = decision.signal is AccountSignal.MALFORMED and claimed_order(claim).attention is Attention.MALFORMED
    order_id = "" if known else decision.order.id
    report = AccountReport(decision.signal, order_id, claim.probe, decision.account_blocked_until, why)
    if report.until is None or decision.signal is not AccountSignal.THROTTLED:
        return _tell(context, account, report)
    return _tell_throttle(context, account, context.throttles.record(account.key, report, report.until - now))


def _unreported(claim: PollClaim, decision: Decision) -> bool:
    """Return whether an answer says nothing new of its account: a good one, where nothing was wrong."""
    return decision.signal is AccountSignal.ANSWERED and claim.clean


def _tell_throttle(context: Context, account: Account, throttle: LocalThrottle) -> AccountHealth:
    with throttle.reporting():
        return _tell(context, account, throttle.report)


def _tell(context: Context, account: Account, report: AccountReport) -> AccountHealth:
    """Returns the account's health afterwards."""
    alert = account_alert(context, account.key)
    became = context.stores.accounts.report(account.key, report, account.health.probe, account.rate, alert)
    if became.before is not became.after:
        write = log.info if became.after is AccountHealth.OK else log.warning
        write("account", account=account.key, was=became.before.value, health=became.after.value, why=report.why)
    if became.told:
        send_alert(context, alert)
    return became.after
