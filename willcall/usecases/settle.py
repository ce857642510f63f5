"""Decide what happened to an order and commit it."""

from dataclasses import replace

import structlog

from willcall.orders.countdown import earliest_poll_at
from willcall.orders.decision import AccountSignal, Decision, cancel, decide, expire, interpret
from willcall.orders.history import Action, Actor, timeline_entry
from willcall.orders.model import CLOSED, OPEN, Attempt, Attention, Order
from willcall.orders.order_documents import missing_urls
from willcall.orders.outcomes import Issued, Malformed, NotReady, Outcome, PartlyIssued, outcome_name
from willcall.providers.base import Account
from willcall.stores.accounts import AccountHealth
from willcall.stores.commits import Commit, OwnedByAnotherOrderError
from willcall.stores.messages import PollMessage
from willcall.stores.operator_events import OperatorAlert
from willcall.stores.polls import PollClaim
from willcall.usecases.account_reports import confirms_health, report_attempt
from willcall.usecases.alerts import attention_alert
from willcall.usecases.ask import StatusResult
from willcall.usecases.commit import late_check_at, next_message, write_commit
from willcall.usecases.context import Context

log = structlog.get_logger(__name__)

#: Signals of responses whose hint is about the account rather than the order.
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
    """Decide what an attempt means, commit it and return the next message of the chain, if there is one.

    `now` is when the response was received. Missing documents are fetched `fetch_in` seconds after the commit.

    A push may change the order while the request is under way. Then the commit, which expects the sequence number of
    the claim, writes nothing, and the same response is decided again on the changed order. For example: an order with
    `seq` 7 is claimed and polled. Meanwhile a push brings two of three tickets and commits `seq` 8. The response lists
    all three; decided on `seq` 7 it cannot be committed, decided on `seq` 8 it completes the order and commits `seq` 9.
    Neither step undoes the other.
    """
    order = claim.granted_order
    result = replace(result, outcome=interpret(order, result.outcome, others_answered=claim.account_healthy))
    health = AccountHealth.OK
    sent_at = max(claim.now, claim.send_at)
    late = max(0.0, sent_at - (order.next_poll_at or sent_at))
    before: Order | None = order
    while before:
        decision = decide(before, result.outcome, account.polling, now, context.rng)
        if before is order and result.asked:
            health = report_attempt(context, account, claim, decision, why=_why(result), now=now)
        decision = _leave_to_account(before, decision, health)
        after, wake_at = decision.order, decision.wake_at
        countdown = None if wake_at is None or after.next_poll_at is None else wake_at - now
        commit = Commit(
            before=before,
            after=after,
            due_at=None if decision.waits_for_account else wake_at,
            held=decision.waits_for_account,
            earliest=earliest_poll_at(after, account.polling),
            attempt=Attempt(sent_at, outcome_name(result.outcome), result.http_status, countdown, decision.why, late),
            tickets=after.tickets != before.tickets,
            late_check_at=late_check_at(context, after, now),
            fetch_in=fetch_in,
            alert=_alert(context, before, decision, health),
            throttled=after.hint_until is not None and decision.signal in _ABOUT_THE_ACCOUNT,
            answered=result.asked and confirms_health(claim, decision) and not before.user_bound,
        )
        try:
            due = write_commit(context, commit, claim_id)
        except OwnedByAnotherOrderError:
            result = replace(result, outcome=_owned_by_another_order(result.outcome))
            continue
        if due is not None:
            return next_message(commit, due)
        before = _changed_order(context, before)
        if before and before.quantity != order.quantity:
            result = replace(result, outcome=_for_another_quantity(result.outcome))
    _log_superseded(order)
    return None


def postpone_attempt(context: Context, claim: PollClaim, claim_id: str, until: float) -> PollMessage | None:
    """End an attempt that sent nothing: the order is due again at `until`."""
    order = claim.granted_order
    commit = Commit(
        before=order,
        after=replace(order, next_poll_at=until),
        due_at=until,
        earliest=until,
        late_check_at=late_check_at(context, order, claim.now),
    )
    due = write_commit(context, commit, claim_id)
    if due is None:
        _log_superseded(order)
        return None
    return next_message(commit, due)


def settle_expired(context: Context, order: Order, now: float) -> bool:
    """Expire an order at its deadline. Returns False if another step changed it first."""
    after = expire(order, now)
    commit = Commit(before=order, after=after, late_check_at=late_check_at(context, after, now))
    return write_commit(context, commit) is not None


def settle_cancelled(context: Context, order: Order, actor: Actor, now: float) -> bool:
    """Cancel an order by hand. Returns False if another step changed it first."""
    after = cancel(order, now, actor.ended_by)
    entry = timeline_entry(Action.CANCELLED, actor, now)
    commit = Commit(before=order, after=after, attempt=entry)
    return write_commit(context, commit) is not None


def settle_push(
    context: Context, before: Order, after: Order, entry: Attempt, fetch_in: float, *, replied: bool
) -> bool:
    """Commit what a push changed, with its timeline entry. Returns False if another step changed the order first.

    An order that stays open keeps its next poll time under a new sequence number. Missing documents are fetched in
    `fetch_in` seconds. `replied`: the provider waits for our response, which says how the order is now.
    """
    commit = Commit(
        before=before,
        after=after,
        keep_schedule=before.status is after.status or after.status in OPEN,
        attempt=entry,
        tickets=after.tickets != before.tickets,
        fetch_in=fetch_in if missing_urls(after.tickets, after.documents) else None,
        alert=attention_alert(context, before, after),
        replied=replied,
    )
    due = write_commit(context, commit)
    if due is None:
        return False
    message = next_message(commit, due)
    context.send_polls(after.account_key, [message] if message else [])
    return True


def _owned_by_another_order(outcome: Outcome) -> NotReady:
    """Return what a response means if another order of the same user took its tickets at the same moment."""
    detail = "another order of the user has got these tickets"
    return NotReady(retry_after=outcome.retry_after, provider_status=outcome.provider_status, detail=detail)


def _for_another_quantity(outcome: Outcome) -> Outcome:
    """Return what a response means if the quantity was amended meanwhile: another one decides whether these are all."""
    if not isinstance(outcome, Issued):
        return outcome
    return PartlyIssued(
        outcome.tickets,
        provider_status=outcome.provider_status,
        detail="the quantity was amended meanwhile",
        retry_after=outcome.retry_after,
        not_before=outcome.not_before,
    )


def _log_superseded(order: Order) -> None:
    log.info("stale response", order=order.id, seq=order.seq)


def _changed_order(context: Context, before: Order) -> Order | None:
    """Return the order as another step has changed it, or None if the response no longer counts."""
    order = context.stores.orders.get(before.id)
    counts = order and order.seq != before.seq and order.status not in CLOSED and order.erased_at is None
    return order if counts else None


def _leave_to_account(before: Order, decision: Decision, health: AccountHealth) -> Decision:
    """Remove `malformed` from orders of an account that is down: the account has the trouble, not each order."""
    order = decision.order
    if health is not AccountHealth.DOWN or order.attention is not Attention.MALFORMED:
        return decision
    return replace(decision, order=replace(order, attention=before.attention))


def _alert(context: Context, before: Order, decision: Decision, health: AccountHealth) -> OperatorAlert | None:
    """Return the alert about an order. Orders of a parked account have none of their own, see docs/decisions/0015."""
    parked = health is AccountHealth.UNAUTHORIZED
    if decision.waits_for_account or (parked and decision.order.attention is Attention.UNAUTHORIZED):
        return None
    return attention_alert(context, before, decision.order)


def _why(result: StatusResult) -> str:
    """Return the HTTP status, or why there was none, in a few words that hold no secret."""
    if isinstance(result.outcome, Malformed):
        return result.outcome.detail or "unreadable answers"
    return str(result.http_status or result.outcome.detail or outcome_name(result.outcome))
