"""Accounts: list, pause, resume."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from willcall.api.dependencies import ContextDep, NoParameters, override_requested
from willcall.api.openapi import BODY_PROBLEMS, request_body, responses
from willcall.api.problems import ProblemType
from willcall.api.request_body import json_body
from willcall.api.request_models import Override, Pause, read_model
from willcall.api.responses import SchemaResponse
from willcall.api.security import ActorDep, PrincipalDep
from willcall.config import find_account
from willcall.providers.base import Account
from willcall.schemas import accounts as schemas
from willcall.schemas.base import utc
from willcall.usecases.accounts import pause, resume
from willcall.usecases.context import Context
from willcall.views.accounts import account_schema, view_account

router = APIRouter(prefix="/v1/accounts", tags=["accounts"])
#: Calls that clients' keys may not make.
operator_router = APIRouter(prefix="/v1/accounts", tags=["accounts"])


async def _account(
    context: ContextDep,
    provider: Annotated[str, Path(examples=["tiqets"])],
    account: Annotated[str, Path(examples=["default"])],
) -> Account:
    return find_account(context.accounts, provider, account)


AccountDep = Annotated[Account, Depends(_account)]


@router.get("", summary="List accounts", responses=responses(ProblemType.REJECTED, ok_200=schemas.AccountPage))
def list_accounts(context: ContextDep, principal: PrincipalDep, _: NoParameters) -> SchemaResponse:
    """Return the health, backlog and number of orders of each configured account.

    For a client: of the accounts that it can use, with the number of its own orders, and without tokens and backlog,
    which it shares with others.
    """
    if principal.client is not None:
        return SchemaResponse(schemas.AccountPage(items=tuple(_client_views(context, principal.client))))
    items = tuple(_view(context, account) for _, account in sorted(context.accounts.items()))
    return SchemaResponse(schemas.AccountPage(items=items))


@operator_router.post(
    "/{provider}/{account}/pause",
    summary="Pause an account",
    responses=responses(ProblemType.NOT_FOUND, *BODY_PROBLEMS, ok_200=schemas.Account),
    openapi_extra=request_body(Pause, required=False),
)
def pause_account(
    context: ContextDep,
    actor: ActorDep,
    _: NoParameters,
    account: AccountDep,
    payload: Annotated[Any, json_body(optional=True)],
) -> SchemaResponse:
    """Send nothing to the account for `seconds`, or until it is resumed. Its orders wait; their deadlines keep running.

    An existing pause that ends later is kept, as `until` shows. To shorten it, resume the account first.
    """
    wanted = read_model(Pause, payload)
    pause(context, account, wanted.seconds, actor, wanted.reason)
    return SchemaResponse(_view(context, account))


@operator_router.post(
    "/{provider}/{account}/resume",
    summary="Resume an account",
    responses=responses(ProblemType.NOT_FOUND, *BODY_PROBLEMS, ok_200=schemas.ResumeResult),
    openapi_extra=request_body(Override, required=False),
)
def resume_account(
    context: ContextDep,
    principal: PrincipalDep,
    _: NoParameters,
    account: AccountDep,
    payload: Annotated[Any, json_body(optional=True)],
) -> SchemaResponse:
    """End a pause. An account that is rejecting the API key or is down is checked with one order first.

    A provider's `Retry-After` is respected until `until`. With the body `{"now": true}`, the account is polled anyway.
    """
    resumed = resume(context, account, principal.actor, override=override_requested(payload, principal))
    return SchemaResponse(schemas.ResumeResult(resumed=resumed.until is None, until=utc(resumed.until)))


def _client_views(context: Context, name: str) -> Iterator[schemas.Account]:
    client = context.settings.api.clients.get(name)
    for key, account in sorted(context.accounts.items()):
        if client and client.may_use(key):
            counts = context.stores.listing.counts(key, name)
            orders = {status.value: count for status, count in counts.items()}
            yield replace(_view(context, account), tokens=None, backlog=None, orders=orders)


def _view(context: Context, account: Account) -> schemas.Account:
    return account_schema(view_account(context.stores, account, context.stores.accounts.now()))
