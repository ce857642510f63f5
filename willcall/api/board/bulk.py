"""Actions on the orders that are selected in the list: a page that asks, then what its button does."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from willcall.api.board import labels
from willcall.api.board.errors import BoardRoute
from willcall.api.board.flash import redirect_back, sentence
from willcall.api.board.forms import read_form, safe_redirect_path
from willcall.api.board.rendering import page
from willcall.api.dependencies import ContextDep
from willcall.api.problems import rejected
from willcall.api.security import ActorDep
from willcall.orders.errors import FieldError
from willcall.usecases.bulk import BulkAction, BulkOutcome, act_on_orders
from willcall.views.formatting import format_count

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

#: A page of orders with the longest ids, each of them twice.
_MAX_BYTES, _MAX_FIELDS = 64 * 1024, 200
#: How many reasons the message names.
_REASONS = 3


class _Selection:
    """The fields of the form: the chosen orders, or all those of the page; what to do; the page to return to."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        chosen = fields.get("page_ids", [""])[0].split() if "all" in fields else fields.get("id", [])
        self.order_ids = list(dict.fromkeys(chosen))
        self.back = fields.get("back", ["/orders"])[0]
        self.confirmed = "confirmed" in fields
        try:
            self.action = BulkAction(fields.get("action", [""])[0])
        except ValueError:
            raise rejected([FieldError("action", f"must be one of {', '.join(BulkAction)}")]) from None


async def _selection(request: Request) -> _Selection:
    return _Selection(await read_form(request, _MAX_BYTES, _MAX_FIELDS))


@router.post("/orders/bulk")
def act_on_selected(
    request: Request, context: ContextDep, actor: ActorDep, selection: Annotated[_Selection, Depends(_selection)]
) -> Response:
    """Ask, with the number of orders and what happens to them; after the second press, do it."""
    if not selection.order_ids:
        return redirect_back(request, selection.back, "Select at least one order.")
    if not selection.confirmed:
        found = context.stores.orders.get_many(selection.order_ids)
        return page(
            request,
            "bulk.html",
            action=selection.action,
            orders=[order for order in found if order],
            back=safe_redirect_path(selection.back),
        )
    outcomes = act_on_orders(context, selection.action, selection.order_ids, actor)
    return redirect_back(request, selection.back, _message(selection.action, outcomes))


def _message(action: BulkAction, outcomes: list[BulkOutcome]) -> str:
    """Return how many orders it was done with, and why not with the others."""
    refused = [outcome.error for outcome in outcomes if outcome.error]
    done = f"{format_count(len(outcomes) - len(refused), 'order')} {labels.BULK_DONE[action]}."
    if not refused:
        return done
    reasons = [sentence(error) for error in refused[:_REASONS]]
    others = len(refused) - len(reasons)
    more = f" {others:,} more left as they were." if others else ""
    return f"{done} {format_count(len(refused), 'order')} left as before: {' '.join(reasons)}{more}"
