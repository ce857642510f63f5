"""Look at what a provider says about a reference now, without an order."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from secrets import token_hex
from typing import Any

import structlog

from willcall.orders.errors import NotNowError
from willcall.orders.hints import FALLBACK_WAIT, hint_until
from willcall.orders.history import Action, Actor
from willcall.orders.model import Order, Ticket
from willcall.orders.outcomes import Issued, NotReady, PartlyIssued, Throttled, attention_of, outcome_name
from willcall.orders.serialization import rfc3339, ticket_schema
from willcall.orders.submission import parse_submission
from willcall.orders.ticket_documents import inline_file
from willcall.providers.base import Account
from willcall.schemas import operations as schemas
from willcall.schemas.base import utc
from willcall.stores.bookings import BookingKind
from willcall.stores.lookups import LookupVerdict
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.ask import SendWindow, StatusResult, ask
from willcall.usecases.context import Context
from willcall.usecases.history import record_action, record_order_action
from willcall.usecases.submit import check_account
from willcall.usecases.tokens import NoToken, Token, return_token, take_token

log = structlog.get_logger(__name__)

#: Seconds that a look waits for its token.
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class LookResult:
    """What the provider said. `until`: no other request about it may be sent before (epoch seconds)."""

    account: Account
    result: StatusResult
    until: float | None


def look(context: Context, payload: Mapping[str, Any], actor: Actor, client: str | None = None) -> LookResult:
    """Send one status request and return what it means. Nothing of it is stored, and nobody is notified.

    `payload` has the provider, the reference and perhaps the account, as in a submission. The look takes a token, and
    keeps to hints and to the minimum interval, as every other request about the reference then does.

    Raises RejectedOrderError, and NotNowError if no request may be sent now.
    """
    submission = parse_submission({**payload, "client": client} if client else payload)
    account, order = check_account(context, submission), submission.order()
    known = next(iter(context.stores.orders.find_by_reference(account.key, order.reference)), None)
    _claim(context, account, order.reference, known, check=True)
    token = _take_token(context, account)
    # While it waited for its token, the order may have been polled.
    _claim(context, account, order.reference, known)
    result, now = _ask(context, account, replace(order, id=known or order.id), token)
    until = _keep_hint(context, account, order.reference, known, result=result, now=now)
    outcome = outcome_name(result.outcome)
    record_action(context, Action.LOOKED_UP, actor, outcome, account=account.key)
    if known and client in {None, context.stores.orders.client_of(known)}:  # no client is named to another one
        record_order_action(context, known, Action.LOOKED_UP, actor, outcome)
    log.info("look", account=account.key, outcome=outcome, http=result.http_status, by=actor.name)
    return LookResult(account, result, until)


def _claim(context: Context, account: Account, reference: str, known: str | None, *, check: bool = False) -> None:
    """Claim the look; with `check`, only find out whether it may be sent. Raises NotNowError."""
    claim = context.stores.lookups.claim(
        account.key,
        reference,
        known,
        account.polling.minimum,
        interval_scope=account.interval_scope,
        check=check,
    )
    wait = None if claim.at is None else max(1.0, claim.at - context.stores.accounts.now())
    match claim.verdict:
        case LookupVerdict.BUSY:
            raise NotNowError("this reference is being polled at the moment; try again in some seconds", wait)
        case LookupVerdict.WAIT:
            raise NotNowError(f"no request about this reference is allowed before {rfc3339(claim.at)}", wait)
        case LookupVerdict.DUE:
            raise NotNowError(f"this reference is about to be polled, at {rfc3339(claim.at)}", wait)


def _take_token(context: Context, account: Account) -> Token:
    """Take a token, and wait for it if it comes soon. Raises NotNowError."""
    booking = f"look-{token_hex(6)}"
    token = take_token(context, account, BookingKind.LIST, booking, PATIENCE, express=True)
    if isinstance(token, NoToken):
        return_token(context, account, BookingKind.LIST, booking)
        if token.wait is None:
            raise NotNowError(f"account {account.key} is paused or stopped; see `willcall accounts`")
        raise NotNowError(f"account {account.key} has no free request for another {token.wait:,.0f} s", token.wait)
    return token


def _ask(context: Context, account: Account, order: Order, token: Token) -> tuple[StatusResult, float]:
    """Send the request. Returns its result, and the server's time of it. Raises NotNowError."""
    now, sent = context.stores.accounts.now(), time.monotonic()
    result = ask(context, account, order, now, SendWindow(token.claimed, sent, inf))
    if not isinstance(result, StatusResult):
        raise NotNowError(f"account {account.key} has no access token yet, or is throttled; try again in some seconds")
    return result, now + time.monotonic() - sent


def _keep_hint(
    context: Context, account: Account, reference: str, known: str | None, *, result: StatusResult, now: float
) -> float | None:
    """Have others keep to the hint of the answer. Returns until when."""
    outcome = result.outcome
    if isinstance(outcome, Throttled):
        report_throttle(context, account, outcome.retry_after, now, why=str(result.http_status or 429))
    until = hint_until(outcome.retry_after, now, fallback=now + FALLBACK_WAIT)
    if until is not None:
        context.stores.lookups.hold(account.key, reference, known, until)
    return until


def look_schema(looked: LookResult) -> schemas.LookResult:
    outcome = looked.result.outcome
    tickets = outcome.tickets if isinstance(outcome, Issued | PartlyIssued) else ()
    attention = attention_of(outcome) if isinstance(outcome, NotReady | PartlyIssued) else None
    return schemas.LookResult(
        provider=looked.account.provider,
        account=looked.account.name,
        outcome=outcome_name(outcome),
        http_status=looked.result.http_status,
        provider_status=outcome.provider_status,
        attention=attention.value if attention else None,
        detail=outcome.detail or getattr(outcome, "reason", None),
        expected=getattr(outcome, "expected", None),
        tickets=tuple(map(ticket_schema, map(_without_content, tickets))),
        retry_at=utc(looked.until),
        issuing_at=utc(outcome.not_before),
    )


def _without_content(ticket: Ticket) -> Ticket:
    """Return a ticket without the content of its file, which some answers have in place of an address."""
    return ticket if inline_file(ticket) is None else replace(ticket, url=None)
