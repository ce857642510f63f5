"""The page of operations: look at a provider, redeliver many events, send a sample, run a sweep; and the history."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from willcall.api.board.errors import BoardRoute
from willcall.api.board.flash import redirect_back, sentence
from willcall.api.board.forms import Form
from willcall.api.board.rendering import page
from willcall.api.dependencies import ContextDep, NoParameters
from willcall.api.security import ActorDep
from willcall.orders.errors import WillcallError
from willcall.orders.samples import SAMPLES
from willcall.usecases.look import look, look_schema
from willcall.usecases.redeliveries import Redelivery, redeliver_many
from willcall.usecases.sweeps import start_sweep
from willcall.usecases.trigger import trigger
from willcall.views.formatting import describe_look, format_count

router = APIRouter(route_class=BoardRoute, include_in_schema=False)

_PAGE = "/operations"
#: Since when events are delivered again: seconds, and their label. 0 means any time.
_SINCE = ((3_600, "the last hour"), (21_600, "the last 6 hours"), (86_400, "the last day"), (604_800, "the last week"))


@router.get("/operations")
def operations(request: Request, context: ContextDep, _: NoParameters) -> Response:
    """Show the forms, and what people did with accounts and with the installation, newest first."""
    return page(
        request,
        "operations.html",
        accounts=sorted(context.accounts),
        clients=sorted(context.settings.api.clients),
        samples=SAMPLES,
        sweeps=sorted(context.settings.sweeps.intervals),
        since=_SINCE,
        entries=context.stores.history.newest(sorted(context.accounts)),
        now=context.stores.accounts.now(),
    )


@router.post("/look")
def look_up(request: Request, context: ContextDep, actor: ActorDep, form: Form) -> Response:
    """Show what a provider says about a reference."""
    provider, _, account = form.get("account", "").partition("/")
    payload = {"provider": provider, "account": account, "reference": form.get("reference", "")}
    quantity = form.get("quantity", "")
    try:
        found = look_schema(
            look(context, payload | ({"quantity": int(quantity)} if quantity.isdecimal() else {}), actor)
        )
    except WillcallError as error:
        return redirect_back(request, _PAGE, sentence(error))
    return redirect_back(request, _PAGE, describe_look(found))


@router.post("/redeliveries")
def redeliver_events(request: Request, context: ContextDep, actor: ActorDep, form: Form) -> Response:
    """Deliver the events of many orders again."""
    seconds = form.get("since", "")
    since = context.stores.accounts.now() - float(seconds) if seconds.isdecimal() else None
    wanted = Redelivery(since, undelivered=form.get("undelivered") == "1")
    if since is None and not wanted.undelivered:
        return redirect_back(request, _PAGE, "Choose a time, or only events that were not delivered.")
    result = redeliver_many(context, wanted, actor)
    more = " There are more: press the button again." if result.next_cursor else ""
    return redirect_back(request, _PAGE, f"{format_count(result.redelivered, 'event')} will be sent again.{more}")


@router.post("/trigger")
def trigger_sample(request: Request, context: ContextDep, actor: ActorDep, form: Form) -> Response:
    """Send a sample event."""
    name = form.get("status", "")
    url, client = form.get("callback_url", "").strip() or None, form.get("client") or None
    if name not in SAMPLES:
        return redirect_back(request, _PAGE, f"There is no sample {name[:40]}.")
    try:
        result = trigger(context, name, actor, url=url, client=client)
    except WillcallError as error:
        return redirect_back(request, _PAGE, sentence(error))
    answer = f"answered HTTP {result.status}" if result.status else f"did not answer: {result.why}"
    return redirect_back(request, _PAGE, f"Sample of {result.event.type} sent to {result.host}, which {answer}.")


@router.post("/sweeps")
def run_sweep(request: Request, context: ContextDep, actor: ActorDep, form: Form) -> Response:
    """Have a worker run a sweep."""
    name = form.get("name", "")
    try:
        start_sweep(context, name, actor)
    except WillcallError as error:
        return redirect_back(request, _PAGE, sentence(error))
    return redirect_back(request, _PAGE, f"A worker will run the sweep {name}.")
