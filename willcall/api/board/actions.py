"""The board's buttons: forms that redirect to the page they were sent from."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from willcall.api.board.errors import BoardRoute
from willcall.api.board.flash import redirect_back, sentence
from willcall.api.board.forms import Form
from willcall.api.dependencies import ContextDep, OrderIdDep
from willcall.api.problems import rejected
from willcall.api.security import ActorDep
from willcall.config import find_account
from willcall.orders.errors import ClosedOrderError, FieldError, NothingToDeliverError, UnusableDeadLetterError
from willcall.providers.base import Account
from willcall.stores.documents import StorageError
from willcall.usecases.accounts import pause, resume
from willcall.usecases.dead_letters import clear, requeue
from willcall.usecases.erase import erase_order
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import cancel_order, get_order, request_poll
from willcall.usecases.reload import reload_processes
from willcall.views.formatting import (
    describe_longer_pause,
    format_count,
    format_duration,
)
from willcall.views.promises import describe_expedited_poll, describe_resume, read_conditions
from willcall.views.reload import summarize_reloads

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: Seconds.
_LONGEST_PAUSE = 86_400
#: Characters of a reason.
_LONGEST_REASON = 200


async def _account(context: ContextDep, provider: str, account: str) -> Account:
    return find_account(context.accounts, provider, account)


AccountDep = Annotated[Account, Depends(_account)]


@router.post("/orders/{order_id}/poll")
def poll_order(request: Request, context: ContextDep, actor: ActorDep, order_id: OrderIdDep, form: Form) -> Response:
    """Poll as soon as the provider allows; at once if the form says so."""
    try:
        override = _override(form)
        expedited = request_poll(context, order_id, actor, override=override)
        conditions = read_conditions(context.stores, context.accounts, get_order(context, order_id).account_key)
        message = f"Order {order_id} {describe_expedited_poll(expedited, conditions, override=override)}."
    except ClosedOrderError as error:
        message = sentence(error)
    return redirect_back(request, form.get("back"), message)


@router.post("/orders/{order_id}/cancel")
def cancel(request: Request, context: ContextDep, actor: ActorDep, order_id: OrderIdDep, form: Form) -> Response:
    try:
        now = cancel_order(context, order_id, actor)
        message = f"Order {order_id} {'is' if now else 'was already'} cancelled. Nothing is cancelled at the provider."
    except ClosedOrderError as error:
        message = sentence(error)
    return redirect_back(request, form.get("back"), message)


@router.post("/orders/{order_id}/erase")
def erase(request: Request, context: ContextDep, actor: ActorDep, order_id: OrderIdDep, form: Form) -> Response:
    try:
        erase_order(context, order_id, actor)
        message = f"Order {order_id} is erased. Its id, times and outcomes stay."
    except (ClosedOrderError, StorageError) as error:
        message = sentence(error)
    return redirect_back(request, form.get("back"), message)


@router.post("/orders/{order_id}/redeliver")
def redeliver_order(
    request: Request, context: ContextDep, actor: ActorDep, order_id: OrderIdDep, form: Form
) -> Response:
    try:
        redeliver(context, order_id, actor)
        message = f"Redelivery of order {order_id} queued."
    except NothingToDeliverError as error:
        message = sentence(error)
    return redirect_back(request, form.get("back"), message)


@router.post("/accounts/{provider}/{account}/pause")
def pause_account(request: Request, context: ContextDep, actor: ActorDep, account: AccountDep, form: Form) -> Response:
    """Pause for some seconds, or until the account is resumed."""
    text = form.get("seconds")
    if text and not (text.isdecimal() and 0 < int(text) <= _LONGEST_PAUSE):
        raise rejected([FieldError("seconds", f"must be a whole number up to {_LONGEST_PAUSE:,}, or empty")])
    seconds = float(text) if text else None
    paused = pause(context, account, seconds, actor, form.get("reason", "").strip()[:_LONGEST_REASON] or None)
    if paused.already_longer:
        return redirect_back(request, form.get("back"), f"{account.key} {describe_longer_pause(paused.until)}")
    message = f"for {format_duration(seconds)}" if seconds else "until it is resumed"
    return redirect_back(
        request, form.get("back"), f"{account.key} is paused {message}. Its orders wait; their deadlines keep running."
    )


@router.post("/accounts/{provider}/{account}/resume")
def resume_account(request: Request, context: ContextDep, actor: ActorDep, account: AccountDep, form: Form) -> Response:
    """Resume or probe; despite a `Retry-After` if the form says so."""
    resumed = resume(context, account, actor, override=_override(form))
    conditions = read_conditions(context.stores, context.accounts, account.key)
    result = describe_resume(resumed, conditions, "To poll anyway, press Try now anyway.")
    return redirect_back(request, form.get("back"), f"{account.key} {result}")


@router.post("/dead-letters/{letter_id}/requeue")
def requeue_dead_letter(request: Request, context: ContextDep, actor: ActorDep, letter_id: str, form: Form) -> Response:
    try:
        message = f"The message was requeued to {requeue(context, letter_id, actor).queue}."
    except UnusableDeadLetterError as error:
        message = sentence(error)
    return redirect_back(request, form.get("back"), message)


@router.post("/dead-letters/clear")
def clear_dead_letters(request: Request, context: ContextDep, actor: ActorDep, form: Form) -> Response:
    return redirect_back(request, form.get("back"), f"{format_count(clear(context, actor), 'dead letter')} deleted.")


@router.post("/reload")
def reload_configuration(request: Request, context: ContextDep, actor: ActorDep, form: Form) -> Response:
    """Have every process take its configuration as it is now."""
    message = summarize_reloads(reload_processes(context.stores, actor))
    return redirect_back(request, form.get("back"), message)


def _override(form: Form) -> bool:
    return form.get("now") == "1"
