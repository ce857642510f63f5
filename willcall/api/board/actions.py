"""What operators can do: each button is a form that is sent here, and leads back to the page that it stands on."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from willcall.api.board.access import FLASH_COOKIE, BoardAccess, set_cookie
from willcall.api.board.errors import BoardRoute
from willcall.api.board.forms import Form, place_to_return
from willcall.api.dependencies import ContextDep, OrderIdDep
from willcall.api.problems import rejected
from willcall.config import find_account
from willcall.orders.errors import ClosedOrderError, FieldError, NothingToDeliverError, UnusableDeadLetterError
from willcall.providers.base import Account
from willcall.usecases.accounts import pause, resume
from willcall.usecases.dead_letters import Via, clear, requeue
from willcall.usecases.notify import redeliver
from willcall.usecases.orders import cancel_order, get_order, request_poll
from willcall.views.formatting import (
    describe_expedited_poll,
    describe_longer_pause,
    describe_resume,
    format_count,
    format_duration,
)

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: Longest pause that the page offers, seconds.
_LONGEST_PAUSE = 86_400


async def _account(context: ContextDep, provider: str, account: str) -> Account:
    return find_account(context.accounts, provider, account)


AccountDep = Annotated[Account, Depends(_account)]


@router.post("/orders/{order_id}/poll")
def poll_order(request: Request, context: ContextDep, order_id: OrderIdDep, form: Form) -> Response:
    """Ask about an order as soon as the provider allows; or at once, where the button says so."""
    try:
        expedited = request_poll(context, order_id, override=_override(form))
        account_key, now = get_order(context, order_id).account_key, context.stores.accounts.now()
        told = f"Order {order_id} {describe_expedited_poll(expedited, account_key, now)}."
    except ClosedOrderError as error:
        told = _sentence(error)
    return _back(request, form, told)


@router.post("/orders/{order_id}/cancel")
def cancel(request: Request, context: ContextDep, order_id: OrderIdDep, form: Form) -> Response:
    """Stop asking about an order."""
    try:
        now = cancel_order(context, order_id)
        told = f"Order {order_id} is cancelled{'' if now else ' already'}. Nothing is cancelled at the provider."
    except ClosedOrderError as error:
        told = _sentence(error)
    return _back(request, form, told)


@router.post("/orders/{order_id}/redeliver")
def redeliver_order(request: Request, context: ContextDep, order_id: OrderIdDep, form: Form) -> Response:
    """Tell an order's backend again."""
    try:
        redeliver(context, order_id)
        told = f"The backend is told of order {order_id} again."
    except NothingToDeliverError as error:
        told = _sentence(error)
    return _back(request, form, told)


@router.post("/accounts/{provider}/{account}/pause")
def pause_account(request: Request, context: ContextDep, account: AccountDep, form: Form) -> Response:
    """Send nothing to an account for a while; where no seconds are named, until it is resumed."""
    text = form.get("seconds")
    if text and not (text.isdecimal() and 0 < int(text) <= _LONGEST_PAUSE):
        raise rejected([FieldError("seconds", f"must be whole ones, {_LONGEST_PAUSE:,} at most, or none")])
    seconds = float(text) if text else None
    paused = pause(context, account, seconds)
    if paused.already_longer:
        return _back(request, form, f"{account.key} {describe_longer_pause(paused.until)}")
    told = f"for {format_duration(seconds)}" if seconds else "until it is resumed"
    return _back(request, form, f"{account.key} is paused {told}. Its orders wait; their deadlines go on.")


@router.post("/accounts/{provider}/{account}/resume")
def resume_account(request: Request, context: ContextDep, account: AccountDep, form: Form) -> Response:
    """Let an account's orders go on, or try it; in spite of the provider's hint, where the button says so."""
    resumed = resume(context, account, override=_override(form))
    words = describe_resume(resumed, context.stores.accounts.now(), "To poll anyway: Try now anyway.")
    return _back(request, form, f"{account.key} {words}")


@router.post("/dead-letters/{letter_id}/requeue")
def requeue_dead_letter(request: Request, context: ContextDep, letter_id: str, form: Form) -> Response:
    """Send a dead letter back to its queue."""
    try:
        notice = f"The message was requeued to {requeue(context, letter_id, Via.BOARD).queue}."
    except UnusableDeadLetterError as error:
        notice = _sentence(error)
    return _back(request, form, notice)


@router.post("/dead-letters/clear")
def clear_dead_letters(request: Request, context: ContextDep, form: Form) -> Response:
    """Delete all dead letters."""
    return _back(request, form, f"{format_count(clear(context, Via.BOARD), 'dead letter')} deleted.")


def _override(form: Form) -> bool:
    return form.get("now") == "1"


def _back(request: Request, form: Form, told: str) -> Response:
    """To the page on which the button stands, which then says what was done."""
    access: BoardAccess = request.app.state.board_access
    response = RedirectResponse(place_to_return(form.get("back")), HTTPStatus.SEE_OTHER)
    set_cookie(request, response, FLASH_COOKIE, access.sessions.notice(told))
    return response


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
