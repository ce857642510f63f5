"""Complete and amend one order: a page with both forms, and what they send."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from willcall.api.board.errors import BoardRoute
from willcall.api.board.flash import redirect_back, sentence
from willcall.api.board.forms import Form
from willcall.api.board.rendering import page
from willcall.api.dependencies import ContextDep, NoParameters, OrderIdDep
from willcall.api.problems import ProblemError
from willcall.api.security import ActorDep
from willcall.api.uploads import new_tickets, upload_form, without_empty_fields
from willcall.orders.errors import WillcallError
from willcall.orders.serialization import rfc3339
from willcall.usecases.amend import amend_order
from willcall.usecases.complete import complete_order
from willcall.usecases.orders import get_order
from willcall.views.formatting import format_count

router = APIRouter(route_class=BoardRoute, include_in_schema=False)


@router.get("/orders/{order_id}/edit")
def edit_order(request: Request, context: ContextDep, _: NoParameters, order_id: OrderIdDep) -> Response:
    """Show the forms. Unlike the order's page it does not update itself, so that nothing that is typed is lost."""
    order = get_order(context, order_id)
    return page(request, "edit_order.html", order=order, event_at=rfc3339(order.event_at) or "")


@router.post("/orders/{order_id}/complete")
async def complete(request: Request, context: ContextDep, actor: ActorDep, order_id: OrderIdDep) -> Response:
    """Complete the order with the files, codes and addresses of the form."""
    async with upload_form(request) as form:
        new = new_tickets(without_empty_fields(form, "back"))
        edit, page_of_order = f"/orders/{order_id}/edit", f"/orders/{order_id}"
        try:
            changed = await run_in_threadpool(complete_order, context, order_id, new, actor)
        except (WillcallError, ProblemError) as error:
            return redirect_back(request, edit, sentence(error))
    order = await run_in_threadpool(get_order, context, order_id)
    tickets = format_count(len(order.tickets), "ticket")
    message = f"Order {order_id} {'is' if changed else 'was already'} fulfilled with {tickets}."
    return redirect_back(request, page_of_order, message)


@router.post("/orders/{order_id}/amend")
def amend(request: Request, context: ContextDep, actor: ActorDep, order_id: OrderIdDep, form: Form) -> Response:
    """Change what differs from the order as it is."""
    order = get_order(context, order_id)
    shown = {
        "quantity": str(order.quantity or ""),
        "event_at": rfc3339(order.event_at) or "",
        "callback_url": order.callback_url or "",
    }
    given = {name: form.get(name, "").strip() for name in shown}
    changes: dict[str, Any] = {name: text or None for name, text in given.items() if text != shown[name]}
    if (changes.get("quantity") or "").isdecimal():
        changes["quantity"] = int(changes["quantity"])
    if not changes:
        return redirect_back(request, f"/orders/{order_id}", f"Order {order_id} is so already.")
    try:
        amend_order(context, order_id, changes, actor)
    except WillcallError as error:
        return redirect_back(request, f"/orders/{order_id}/edit", sentence(error))
    return redirect_back(request, f"/orders/{order_id}", f"Order {order_id} is amended.")
